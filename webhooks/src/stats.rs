//! What is counted, per configured source and listener: names of strangers never become labels.
//!
//! Counted twice: in here, for [`WebhookProcessor::report`](crate::WebhookProcessor::report), and in the process's
//! metrics, if there are any.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::metrics::{self, Gauge, Histogram, Stopwatch};
use crate::outcome::Outcome;
use crate::rejection::Rejection;

/// The counters of one source.
pub(crate) struct SourceStats {
    outcomes: [Counter; Outcome::LABELS.len()],
    rejections: [metrics::Counter; Rejection::CODES.len()],
    pub(crate) replay_suspected: Counter,
    pub(crate) unverified: Counter,
    pub(crate) without_id: Counter,
    pub(crate) lease_lost: Counter,
    took: Histogram,
    /// The metric is that of rejections.
    token_reused: AtomicU64,
    /// Seconds since 1970; 0: never.
    last_verified: AtomicU64,
    last_verified_gauge: Gauge,
    /// Seconds by which the last truly signed but untimely delivery was off; positive: it came from the past.
    clock_skew: AtomicI64,
    clock_skew_gauge: Gauge,
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
    /// One-time tokens that came again with another body: PayPal's transmissions and Mailgun's tokens.
    pub token_reused: u64,
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
    /// Nothing yet. `source` is what the counters are labelled with.
    pub(crate) fn new(source: &str) -> Self {
        let outcome = |index: usize| metrics::DELIVERIES.counted([source, Outcome::LABELS[index]]);
        Self {
            outcomes: std::array::from_fn(|index| Counter::of(outcome(index))),
            rejections: Rejection::CODES.map(|code| metrics::REJECTIONS.counted([source, code])),
            replay_suspected: Counter::of(metrics::REPLAY_SUSPECTED.counted([source])),
            unverified: Counter::of(metrics::UNVERIFIED.counted([source])),
            without_id: Counter::of(metrics::WITHOUT_ID.counted([source])),
            lease_lost: Counter::of(metrics::LEASE_LOST.counted([source])),
            took: metrics::DELIVERY_SECONDS.timed([source]),
            token_reused: AtomicU64::new(0),
            last_verified: AtomicU64::new(0),
            last_verified_gauge: metrics::LAST_VERIFIED.gauged([source]),
            clock_skew: AtomicI64::new(0),
            clock_skew_gauge: metrics::CLOCK_SKEW.gauged([source]),
        }
    }

    pub(crate) fn record(&self, outcome: &Outcome, began: Instant) {
        self.outcomes[outcome.index()].increment();
        self.took.record_since_instant(began);
        let Outcome::Rejected(rejection) = outcome else { return };
        self.rejections[rejection.index()].increment();
        if *rejection == Rejection::TokenReused {
            self.token_reused.fetch_add(1, Ordering::Relaxed);
        }
        let skew = match rejection {
            Rejection::Expired { age } => seconds(*age),
            Rejection::FromTheFuture { ahead } => -seconds(*ahead),
            _ => return,
        };
        self.clock_skew.store(skew, Ordering::Relaxed);
        self.clock_skew_gauge.set(skew as f64);
    }

    pub(crate) fn verified(&self, at: SystemTime) {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.last_verified.store(since.as_secs(), Ordering::Relaxed);
        self.last_verified_gauge.set(since.as_secs_f64());
    }

    pub(crate) fn report(&self) -> SourceReport {
        let outcomes = Outcome::LABELS.iter().zip(&self.outcomes);
        let last_verified = self.last_verified.load(Ordering::Relaxed);
        let clock_skew = self.clock_skew.load(Ordering::Relaxed);
        SourceReport {
            outcomes: outcomes
                .map(|(label, count)| (*label, count.get()))
                .filter(|(_, count)| *count > 0)
                .collect(),
            replay_suspected: self.replay_suspected.get(),
            unverified: self.unverified.get(),
            without_id: self.without_id.get(),
            lease_lost: self.lease_lost.get(),
            token_reused: self.token_reused.load(Ordering::Relaxed),
            last_verified: (last_verified > 0).then(|| UNIX_EPOCH + Duration::from_secs(last_verified)),
            clock_skew: (clock_skew != 0).then_some(clock_skew),
        }
    }
}

/// The counters of one listener, in the metrics alone.
pub(crate) struct ListenerStats {
    results: [metrics::Counter; RunResult::LABELS.len()],
    took: Histogram,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunResult {
    Ok,
    Failed,
    Permanent,
    Panicked,
    TimedOut,
    /// Its claim was lost, or the process is going down.
    Cancelled,
}

impl RunResult {
    const LABELS: [&'static str; 6] = ["ok", "failed", "permanent", "panicked", "timed_out", "cancelled"];

    pub(crate) fn label(self) -> &'static str {
        Self::LABELS[self as usize]
    }
}

impl ListenerStats {
    /// Nothing yet. `listener` is what the counters are labelled with.
    pub(crate) fn new(listener: &str) -> Self {
        Self {
            results: RunResult::LABELS.map(|result| metrics::RUNS.counted([listener, result])),
            took: metrics::RUN_SECONDS.timed([listener]),
        }
    }

    /// A run begins. Dropped without an [`end`](RunUnderWay::end), it was cancelled.
    pub(crate) fn begin(&self) -> RunUnderWay<'_> {
        RunUnderWay { stats: self, began: Stopwatch::start(), result: RunResult::Cancelled }
    }
}

/// A run, until it is dropped.
pub(crate) struct RunUnderWay<'a> {
    stats: &'a ListenerStats,
    began: Stopwatch,
    result: RunResult,
}

impl RunUnderWay<'_> {
    pub(crate) fn end(mut self, result: RunResult) {
        self.result = result;
    }
}

impl Drop for RunUnderWay<'_> {
    fn drop(&mut self) {
        self.stats.results[self.result as usize].increment();
        self.stats.took.record_since(&self.began);
    }
}

/// A number that only grows.
pub(crate) struct Counter {
    value: AtomicU64,
    metric: metrics::Counter,
}

impl Counter {
    fn of(metric: metrics::Counter) -> Self {
        Self { value: AtomicU64::new(0), metric }
    }

    pub(crate) fn increment(&self) {
        self.value.fetch_add(1, Ordering::Relaxed);
        self.metric.increment();
    }

    pub(crate) fn get(&self) -> u64 {
        self.value.load(Ordering::Relaxed)
    }
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
