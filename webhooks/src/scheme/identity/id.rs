//! Reading the id.

use http::{HeaderName, HeaderValue};
use sha2::{Digest as _, Sha256};
use smallvec::SmallVec;

use super::{Facts, Identity};
use crate::delivery::Delivery;
use crate::rejection::Malformed;
use crate::scheme::json::{self, JsonPath};
use crate::scheme::signature::SignatureScheme;

/// The longest id, in bytes.
const MAX_LEN: usize = 512;

/// Where the id stands: the first of these places that holds one.
#[derive(Debug, Clone, Default)]
pub(super) struct IdSource {
    /// Several headers, or paths, in one entry make up the id together.
    pub(super) headers: Vec<Vec<HeaderName>>,
    pub(super) paths: Vec<Vec<JsonPath>>,
    /// Whether the digest of the body is the id of an event that has none of its own.
    pub(super) digest: bool,
    /// Whether the id is a token that is good for one body only, because it is all that is signed.
    pub(super) bind_body: bool,
    /// Whether an event may come without one; it is then handled without deduplication.
    pub(super) optional: bool,
    /// Whether the signature speaks for it.
    pub(super) signed: bool,
}

impl IdSource {
    pub(super) fn is_none(&self) -> bool {
        self.headers.is_empty() && self.paths.is_empty() && !self.digest
    }

    /// Forgets what is read from a batch's elements. If that was every id there was, the body's digest is the id: it is
    /// the same when the batch is sent again.
    pub(super) fn leave_elements(&mut self) {
        let had_one = !self.is_none();
        self.paths.retain(|paths| !paths.iter().any(JsonPath::is_of_element));
        self.digest |= had_one && self.is_none();
    }

    /// Whether a scheme's signature speaks for every place where the id may stand.
    pub(super) fn is_signed_by(&self, scheme: Option<&SignatureScheme>) -> bool {
        let Some(scheme) = scheme else { return false };
        // A token is signed by definition; a digest speaks for itself.
        let body = self.paths.is_empty() || self.bind_body || scheme.covers_ids_in_body();
        !self.is_none() && body && self.headers.iter().flatten().all(|name| scheme.covers_header(name))
    }
}

impl Identity {
    /// The id of a delivery that is one event.
    pub(super) fn id(&self, delivery: &Delivery, facts: &Facts<'_, '_>) -> Result<Option<String>, Malformed> {
        let found = match self.header_id(delivery)? {
            Some(id) => Some(id),
            None => self.body_id(facts, |_| true)?,
        };
        match found {
            None if self.plan.id.digest => Ok(Some(digest(delivery.body()))),
            None if !self.plan.id.optional && self.has_id() => Err(Malformed::IdMissing),
            found => Ok(found),
        }
    }

    /// The id of a batch's element: its own; else the delivery's, or the digest of the element, with its
    /// position, which a redelivery keeps. None where it need not have one: two equal elements may then be two events.
    pub(super) fn element_id(
        &self,
        delivery: &Delivery,
        facts: &Facts<'_, '_>,
        element: &str,
        position: usize,
    ) -> Result<Option<String>, Malformed> {
        if !self.has_id() {
            return Ok(None);
        }
        if let Some(own) = self.body_id(facts, |of_element| of_element)? {
            return Ok(Some(own));
        }
        let delivery_id = match self.header_id(delivery)? {
            Some(id) => Some(id),
            None => self.body_id(facts, |of_element| !of_element)?,
        };
        let stem = match delivery_id {
            Some(id) => id,
            // What tells two equal elements apart, a time perhaps, may stand beside them.
            None if self.plan.id.digest => digest(delivery.body()),
            None if self.plan.id.optional => return Ok(None),
            None => digest(element.as_bytes()),
        };
        Ok(Some(format!("{stem}#{position}")))
    }

    fn header_id(&self, delivery: &Delivery) -> Result<Option<String>, Malformed> {
        let headers = delivery.headers();
        let values = |names: &Vec<HeaderName>| -> Option<SmallVec<[&HeaderValue; 2]>> {
            names.iter().map(|name| headers.get(name)).collect()
        };
        let Some(values) = self.plan.id.headers.iter().find_map(values) else { return Ok(None) };
        let texts = values.iter().map(|value| value.to_str().map_err(|_| Malformed::IdUnusable));
        joined(texts).map(Some)
    }

    fn body_id(
        &self,
        facts: &Facts<'_, '_>,
        wanted: impl Fn(bool) -> bool,
    ) -> Result<Option<String>, Malformed> {
        let mut entries = self.id_slots.iter().filter(|slots| wanted(slots.iter().any(|it| it.of_element)));
        let Some(slots) = entries.find(|slots| slots.iter().all(|it| facts.get(*it).is_some())) else {
            return Ok(None);
        };
        let texts = slots.iter().filter_map(|it| facts.get(*it));
        joined(texts.map(|raw| json::text(raw).ok_or(Malformed::IdUnusable))).map(Some)
    }
}

fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The parts of an id, none of which may be empty.
fn joined<T: AsRef<str>>(texts: impl Iterator<Item = Result<T, Malformed>>) -> Result<String, Malformed> {
    let mut id = String::new();
    for text in texts {
        let text = text?;
        let text = text.as_ref();
        let separator = if id.is_empty() { "" } else { "+" };
        if text.is_empty() || id.len() + separator.len() + text.len() > MAX_LEN {
            return Err(Malformed::IdUnusable);
        }
        id.push_str(separator);
        id.push_str(text);
    }
    if id.is_empty() { Err(Malformed::IdUnusable) } else { Ok(id) }
}
