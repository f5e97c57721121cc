//! A request of a provider's before it is signed, with as much of one's own in it as a test wants.

use std::time::SystemTime;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};

use super::example::Example;
use super::expect::Expectations;
use super::provider::Provider;
use super::sample::Sample;

impl Provider {
    /// The provider's example for this event, or something as good as one where there is none.
    pub(crate) fn draft(&self, path: &str, id: &str, event: &str, at: SystemTime) -> Sample {
        let (mut headers, body) = match &self.example {
            Some(example) => example.filled(id, event, at),
            None => bare(),
        };
        if let (Some(name), Ok(id)) = (self.identity.id_header(), id.parse()) {
            headers.entry(name).or_insert(id);
        }
        Sample { target: path.to_owned(), headers, body }
    }

    /// The event that its example is of.
    pub(crate) fn example_event(&self) -> Option<&str> {
        self.example.as_ref().map(|it: &Example| it.event.as_str())
    }
}

impl Sample {
    /// The same request with another payload, which is JSON; `None` if there is no place for it.
    pub(crate) fn with_payload(mut self, provider: &Provider, payload: &str) -> Option<Self> {
        self.body = provider.identity.with_payload(
            &self.delivery()?,
            payload,
            provider.signature.places_in_body(),
        )?;
        Some(self)
    }

    /// The same request with the event's id and type where the provider has them, if they are not there yet.
    pub(crate) fn named(mut self, provider: &Provider, id: &str, event: &str) -> Option<Self> {
        (self.headers, self.body) = provider.identity.named(&self.delivery()?, id, event)?;
        Some(self)
    }

    /// The same request, which says what is expected of it.
    pub(crate) fn expected(mut self, expected: &Expectations) -> Option<Self> {
        expected.fulfil(&mut self.headers, &mut self.body)?;
        Some(self)
    }
}

fn bare() -> (HeaderMap, Bytes) {
    let json = HeaderValue::from_static("application/json");
    (HeaderMap::from_iter([(CONTENT_TYPE, json)]), Bytes::from_static(b"{}"))
}
