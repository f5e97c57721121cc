//! A whole request as the provider would send it, signed with a source's own key.

use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, Uri};

use super::provider::Provider;
use super::signature::{Signed, Verifier};
use crate::delivery::{Delivery, SourceName};

/// A request as the provider would send it.
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
        let (headers, body) = example.filled(id, event.unwrap_or(&example.event), at);
        let draft = Sample { target: path.to_owned(), headers, body };
        let signed = verifier.sign_anywhere(&draft.delivery()?, at, id)?;
        Some(draft.with(signed))
    }
}

impl Sample {
    /// As it is received, but for its source's name and time.
    pub(crate) fn delivery(&self) -> Option<Delivery> {
        let uri: Uri = self.target.parse().ok()?;
        let delivery = Delivery::new(SourceName::new("sample")?, self.body.clone());
        Some(delivery.with_headers(self.headers.clone()).with_uri(uri))
    }

    /// The same request, signed.
    pub(super) fn with(mut self, signed: Signed) -> Self {
        self.headers.extend(signed.headers);
        if let Some((name, text)) = signed.parameter {
            let joint = if self.target.contains('?') { '&' } else { '?' };
            let parameter =
                form_urlencoded::Serializer::new(String::new()).append_pair(&name, &text).finish();
            self.target = format!("{}{joint}{parameter}", self.target);
        }
        self.body = signed.body.unwrap_or(self.body);
        self
    }
}
