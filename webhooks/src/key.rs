//! The name under which an event is remembered.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::delivery::{DeliveryId, SourceName};

/// The name under which an event is remembered: `wh1:{source}:{SHA-256 of its identity}`.
///
/// Foreign bytes never become part of it, so that no id can imitate another key, break out of a Redis hash tag, or be
/// long. `wh1` is the version of this rule.
///
/// ```
/// use webhooks::{EventKey, SourceName};
///
/// let key = EventKey::new(&SourceName::new("stripe").unwrap(), &[b"evt_1"]);
/// assert!(key.to_string().starts_with("wh1:stripe:"));
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EventKey {
    source: SourceName,
    digest: [u8; 32],
}

impl EventKey {
    /// The key of the event of `source` that `parts` identify: its id, and whatever else must agree.
    pub fn new(source: &SourceName, parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in std::iter::once(source.as_str().as_bytes()).chain(parts.iter().copied()) {
            // With its length in front, no part can borrow bytes from its neighbour.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self { source: source.clone(), digest: hash.finalize().into() }
    }

    /// The key of an event that its provider gives no id. It is made of the delivery and the event's position in it: each
    /// time that it is sent it is another event.
    pub(crate) fn of_delivery(source: &SourceName, delivery: DeliveryId, position: usize) -> Self {
        Self::new(source, &[b"delivery", &delivery.bits().to_be_bytes(), &(position as u64).to_be_bytes()])
    }

    /// A key as it is written.
    #[cfg_attr(
        not(any(feature = "postgres", feature = "sqlite")),
        allow(dead_code, reason = "nothing stores events")
    )]
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (source, digest) = text.strip_prefix("wh1:")?.split_once(':')?;
        Some(Self { source: SourceName::new(source)?, digest: hex::decode(digest).ok()?.try_into().ok()? })
    }

    /// The key as it is written, in one piece of memory: every delivery needs it, some more than once.
    pub(crate) fn to_text(&self) -> String {
        let mut digits = [0; 64];
        // It cannot fail: two digits a byte.
        let _ = hex::encode_to_slice(self.digest, &mut digits);
        let digits = std::str::from_utf8(&digits).unwrap_or_default();
        let source = self.source.as_str();
        let mut text = String::with_capacity("wh1::".len() + source.len() + digits.len());
        for part in ["wh1:", source, ":", digits] {
            text.push_str(part);
        }
        text
    }

    /// The source whose event this is.
    pub fn source(&self) -> &SourceName {
        &self.source
    }

    /// The first 128 bits of the digest, which covers the source too: enough to tell keys apart in memory.
    pub(crate) fn short(&self) -> u128 {
        let mut short = [0; 16];
        short.copy_from_slice(&self.digest[..16]);
        u128::from_be_bytes(short)
    }
}

impl fmt::Display for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

impl fmt::Debug for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_into_each_other() {
        let source = SourceName::new("s").unwrap();
        assert_ne!(EventKey::new(&source, &[b"ab", b"c"]), EventKey::new(&source, &[b"a", b"bc"]));
        assert_ne!(EventKey::new(&source, &[b"ab"]), EventKey::new(&source, &[b"ab", b""]));
        let other = SourceName::new("t").unwrap();
        assert_ne!(EventKey::new(&source, &[b"a"]).short(), EventKey::new(&other, &[b"a"]).short());
    }

    #[test]
    fn what_is_written_is_read() {
        let key = EventKey::new(&SourceName::new("stripe").unwrap(), &[b"evt_1"]);
        assert_eq!(EventKey::parse(&key.to_string()), Some(key.clone()));
        for text in
            ["", "wh1:stripe", "wh1:stripe:00", "wh2:stripe:", &format!("{key}0"), &key.to_string()[1..]]
        {
            assert_eq!(EventKey::parse(text), None, "{text}");
        }
    }
}
