//! Notices the same signed content under another id.

use std::sync::{Mutex, PoisonError};

use xxhash_rust::xxh3::xxh3_64;

/// Remembers under which id the latest contents came. In this process only: what it notices is counted, and decides
/// nothing.
///
/// Each content has one place where it is remembered until another comes that has the same, so that every delivery costs
/// one look into memory. Of 4096 places, a content has lost its own after a thousand others with a chance of a fifth.
#[derive(Debug, Default)]
pub(crate) struct ReplayDetector(Mutex<Vec<Seen>>);

#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    content: u64,
    ids: u64,
}

impl ReplayDetector {
    const PLACES: usize = 4_096;

    /// Whether the content came before, under other ids.
    pub(super) fn is_suspicious<'i>(&self, content: u128, ids: impl Iterator<Item = &'i str>) -> bool {
        let ids = ids.fold(0_u64, |all, id| all.wrapping_mul(31).wrapping_add(xxh3_64(id.as_bytes())));
        let place = (content >> 64) as usize % Self::PLACES;
        let now = Seen { content: content as u64, ids };
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if places.is_empty() {
            places.resize(Self::PLACES, Seen::default());
        }
        let seen = std::mem::replace(&mut places[place], now);
        let is_suspicious = seen.content == now.content && seen.ids != ids;
        if is_suspicious {
            // The first was the genuine one.
            places[place] = seen;
        }
        is_suspicious
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(number: u64) -> u128 {
        xxhash_rust::xxh3::xxh3_128(&number.to_be_bytes())
    }

    #[test]
    fn the_same_content_is_suspicious_under_other_ids_only() {
        let detector = ReplayDetector::default();
        let seen = |number, id: &str| detector.is_suspicious(content(number), [id].into_iter());
        assert!(!seen(1, "a"));
        assert!(!seen(1, "a"), "the provider sends it again");
        assert!(seen(1, "b"));
        assert!(seen(1, "c"));
        assert!(!seen(1, "a"), "and the genuine one is not held against it");
        assert!(!seen(2, "a"));
    }

    #[test]
    fn what_came_lately_is_remembered() {
        let detector = ReplayDetector::default();
        for number in 0..100 {
            detector.is_suspicious(content(number), ["genuine"].into_iter());
        }
        let again = (0..100).filter(|it| detector.is_suspicious(content(*it), ["another"].into_iter()));
        assert!(again.count() > 90);
    }
}
