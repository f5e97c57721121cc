//! Notices the same signed content under another id.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use xxhash_rust::xxh3::xxh3_64;

/// Remembers under which id the latest contents came. In this process only: what it notices is counted, and decides
/// nothing.
///
/// Each content has one place where it is remembered until another comes that has the same, so that every delivery costs
/// one look into memory. Of 4096 places, a content has lost its own after a thousand others with a chance of a fifth. Half
/// of a place is of the content and half of its ids: one in four thousand million contents is taken for another.
#[derive(Debug)]
pub(crate) struct ReplayDetector(LazyLock<Box<[AtomicU64]>>);

impl ReplayDetector {
    const PLACES: usize = 4_096;

    /// Whether the content came before, under other ids.
    pub(super) fn is_suspicious<'i>(&self, content: u128, ids: impl Iterator<Item = &'i str>) -> bool {
        let ids = ids.fold(0_u64, |all, id| all.wrapping_mul(31).wrapping_add(xxh3_64(id.as_bytes())));
        let now = (content as u64) << 32 | ids >> 32;
        // Without a lock: two that come at once may not notice each other, and nobody waits for what decides nothing.
        let place = &self.0[(content >> 64) as usize % Self::PLACES];
        let seen = place.load(Ordering::Relaxed);
        let is_suspicious = seen != now && seen >> 32 == now >> 32;
        // Of those with the same content, the first was the genuine one.
        if !is_suspicious {
            place.store(now, Ordering::Relaxed);
        }
        is_suspicious
    }
}

impl Default for ReplayDetector {
    fn default() -> Self {
        // Only where it is used.
        Self(LazyLock::new(|| (0..Self::PLACES).map(|_| AtomicU64::new(0)).collect()))
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
