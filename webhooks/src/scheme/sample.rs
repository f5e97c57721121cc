//! A whole request as the provider would send it, signed with a source's own key.

use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, Uri};

use super::provider::Provider;
use super::signature::{Elsewhere, Verifier};
use crate::delivery::{Delivery, SourceName};

/// A signed request.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    /// Path and, where the provider puts something there, query.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Provider {
    /// The provider's example, for this id and event type and signed at this time; `None` if there is no example, or
    /// if only the provider itself can sign.
    pub(crate) fn sample(
        &self,
        verifier: &Verifier,
        path: &str,
        id: &str,
        event: Option<&str>,
        at: SystemTime,
    ) -> Option<Sample> {
        let example = self.example.as_ref()?;
        let (mut headers, body) = example.filled(id, event.unwrap_or(&example.event), at);
        let mut sample = Sample { target: path.to_owned(), headers: headers.clone(), body };
        let signed = verifier.sign_anywhere(&sample.delivery()?, at, id)?;
        headers.extend(signed.headers);
        sample.headers = headers;
        match signed.elsewhere {
            None => {}
            Some(Elsewhere::Query(name, text)) => {
                let query =
                    form_urlencoded::Serializer::new(String::new()).append_pair(&name, &text).finish();
                sample.target = format!("{path}?{query}");
            }
            Some(Elsewhere::Body(text)) => {
                let body = String::from_utf8_lossy(&sample.body).replace("{signature}", &text);
                sample.body = body.into();
            }
        }
        Some(sample)
    }
}

impl Sample {
    /// As it is received, but for its source's name and time.
    pub(crate) fn delivery(&self) -> Option<Delivery> {
        let uri: Uri = self.target.parse().ok()?;
        let delivery = Delivery::new(SourceName::new("sample")?, self.body.clone());
        Some(delivery.with_headers(self.headers.clone()).with_uri(uri))
    }
}
