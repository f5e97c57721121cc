//! A request of a provider's before it is signed, with as much of one's own in it as a test wants.

use std::time::SystemTime;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};

use super::example::Example;
use super::expect::Expectations;
use super::identity::Identity;
use super::json::{self, Extract, JsonPath};
use super::provider::{KeyOwner, Provider};
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

    /// What a source is to expect, by place, if the vendor signs for everyone: what the provider's own example says that
    /// tells one customer from another, and is not a part of the payload.
    pub(crate) fn own_expectations(&self, audience: &str) -> Vec<(String, String)> {
        if self.signature.reads_claims() {
            let account = "testing@example.iam.gserviceaccount.com";
            let claims = [("claim.aud", audience), ("claim.email", account)];
            return claims.map(|(claim, value)| (claim.to_owned(), value.to_owned())).to_vec();
        }
        if self.key_owner == KeyOwner::Own {
            return Vec::new();
        }
        let event = self.example_event().unwrap_or_default();
        let example = self.draft("/", "", event, SystemTime::UNIX_EPOCH).body;
        let says = |place: &String| {
            let path = JsonPath::parse(place)?;
            let found = Extract::new([&path]).read(&example).ok()?.into_iter().flatten().next()?;
            let text = json::text(found)?.into_owned();
            Some((self.identity.is_in_payload(&path), (place.clone(), text)))
        };
        self.recipient.iter().filter_map(says).min_by_key(|it| it.0).map(|it| it.1).into_iter().collect()
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
    pub(crate) fn expected(mut self, identity: &Identity, expected: &Expectations) -> Option<Self> {
        for (name, value) in expected.headers() {
            self.headers.insert(name, value.parse().ok()?);
        }
        if expected.names_paths() {
            self.body = identity.expected(&self.delivery()?, expected)?;
        }
        Some(self)
    }
}

fn bare() -> (HeaderMap, Bytes) {
    let json = HeaderValue::from_static("application/json");
    (HeaderMap::from_iter([(CONTENT_TYPE, json)]), Bytes::from_static(b"{}"))
}
