//! Every delivery's fate: counted, and told in one structured line.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Clock;
use crate::delivery::DeliveryId;
use crate::outcome::Outcome;
use crate::source::Source;

/// Tells each delivery's outcome to the counters and the log.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    clock: Clock,
    strangers: Gate,
}

/// Lets one line through in a while, and says how many it held back.
#[derive(Debug, Default)]
struct Gate {
    /// Milliseconds on the monotonic clock; 0: never.
    opened: AtomicU64,
    held_back: AtomicU64,
}

impl Seen {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, strangers: Gate::default() }
    }

    /// One line a delivery, but for those from strangers: whoever can send forgeries must not be able to fill a disk.
    /// Nothing of the request's own bytes is in it.
    pub(crate) fn delivery(
        &self,
        source: Option<&Source>,
        id: DeliveryId,
        outcome: &Outcome,
        took: Duration,
    ) {
        if let Some(source) = source {
            source.stats.record(outcome);
        }
        let name = source.map_or("unknown", |it| it.name.as_str());
        let (status, reason) = (outcome.status().as_u16(), outcome.reason());
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let outcome_label = outcome.label();
        if is_from_a_stranger(outcome) {
            let Some(held_back) = self.strangers.pass(self.clock.monotonic()) else { return };
            tracing::warn!(
                source = name, delivery = %id, outcome = outcome_label, reason, status, took_us, held_back,
                "delivery refused"
            );
        } else if outcome.is_success() {
            tracing::info!(source = name, delivery = %id, outcome = outcome_label, reason, status, took_us, "delivery");
        } else {
            tracing::warn!(source = name, delivery = %id, outcome = outcome_label, reason, status, took_us, "delivery");
        }
    }
}

/// Whether anyone at all could have caused the outcome.
fn is_from_a_stranger(outcome: &Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Rejected(_)
            | Outcome::UnknownSource
            | Outcome::MethodNotAllowed(_)
            | Outcome::BodyTooLarge
            | Outcome::ContentEncoding
            | Outcome::BodyIncomplete
            | Outcome::Disabled
    )
}

impl Gate {
    const PAUSE: Duration = Duration::from_secs(1);

    /// How many were held back since the last one, if this one may pass.
    fn pass(&self, now: Duration) -> Option<u64> {
        let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let opened = self.opened.load(Ordering::Relaxed);
        let due = opened == 0
            || now.saturating_sub(opened) >= u64::try_from(Self::PAUSE.as_millis()).unwrap_or(1_000);
        let ours =
            due && self.opened.compare_exchange(opened, now, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if ours {
            return Some(self.held_back.swap(0, Ordering::Relaxed));
        }
        self.held_back.fetch_add(1, Ordering::Relaxed);
        None
    }
}
