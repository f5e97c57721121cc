//! What is counted, per configured source: names of strangers never become labels.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::outcome::Outcome;
use crate::rejection::Rejection;

/// The counters of one source.
#[derive(Debug, Default)]
pub(crate) struct SourceStats {
    outcomes: [AtomicU64; Outcome::LABELS.len()],
    pub(crate) replay_suspected: Counter,
    pub(crate) unverified: Counter,
    pub(crate) without_id: Counter,
    pub(crate) lease_lost: Counter,
    /// Seconds since 1970; 0: never.
    last_verified: AtomicU64,
    /// Seconds by which the last truly signed but untimely delivery was off; positive: it came from the past.
    clock_skew: AtomicI64,
}

/// What a source has seen since the start.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceReport {
    /// Deliveries by [`Outcome::label`], those that occurred.
    pub outcomes: Vec<(&'static str, u64)>,
    /// Truly signed contents that came again under another, unsigned id.
    pub replay_suspected: u64,
    /// Deliveries accepted without a signature, on a source with `validator = "none"`.
    pub unverified: u64,
    /// Events that their provider gives no id, handled without deduplication.
    pub without_id: u64,
    /// Runs that lost their claim to another attempt.
    pub lease_lost: u64,
    /// When a delivery was last verified: the silence alarm.
    pub last_verified: Option<SystemTime>,
    /// By how many seconds the last truly signed but untimely delivery was off. Positive: it came from the past.
    pub clock_skew: Option<i64>,
}

impl SourceReport {
    /// How many deliveries ended so.
    pub fn count(&self, label: &str) -> u64 {
        self.outcomes.iter().find(|(name, _)| *name == label).map_or(0, |(_, count)| *count)
    }
}

impl SourceStats {
    pub(crate) fn record(&self, outcome: &Outcome) {
        self.outcomes[outcome.index()].fetch_add(1, Ordering::Relaxed);
        let skew = match outcome {
            Outcome::Rejected(Rejection::Expired { age }) => seconds(*age),
            Outcome::Rejected(Rejection::FromTheFuture { ahead }) => -seconds(*ahead),
            _ => return,
        };
        self.clock_skew.store(skew, Ordering::Relaxed);
    }

    pub(crate) fn verified(&self, at: SystemTime) {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.last_verified.store(since.as_secs(), Ordering::Relaxed);
    }

    pub(crate) fn report(&self) -> SourceReport {
        let outcomes = Outcome::LABELS.iter().zip(&self.outcomes);
        let last_verified = self.last_verified.load(Ordering::Relaxed);
        let clock_skew = self.clock_skew.load(Ordering::Relaxed);
        SourceReport {
            outcomes: outcomes
                .map(|(label, count)| (*label, count.load(Ordering::Relaxed)))
                .filter(|(_, count)| *count > 0)
                .collect(),
            replay_suspected: self.replay_suspected.get(),
            unverified: self.unverified.get(),
            without_id: self.without_id.get(),
            lease_lost: self.lease_lost.get(),
            last_verified: (last_verified > 0).then(|| UNIX_EPOCH + Duration::from_secs(last_verified)),
            clock_skew: (clock_skew != 0).then_some(clock_skew),
        }
    }
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn increment(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
