//! Every delivery's fate: counted, and told in one structured line.

use std::time::Instant;

use crate::clock::Clock;
use crate::delivery::DeliveryId;
use crate::outcome::Outcome;
#[cfg(feature = "test-util")]
use crate::rehearsal::Witness;
use crate::source::Source;
use crate::stats::SourceStats;
use gate::Gate;

pub(crate) mod gate;

/// Tells each delivery's outcome to the counters and the log.
pub(crate) struct Seen {
    clock: Clock,
    /// What named no source that is configured.
    astray: SourceStats,
    gate: Gate,
    /// A test that wants to know.
    #[cfg(feature = "test-util")]
    witness: Option<Witness>,
}

/// Who caused an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Anyone at all: nothing was verified by then.
    Stranger,
    /// The provider, or we.
    Known,
}

impl Seen {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            astray: SourceStats::new("unknown"),
            gate: Gate::default(),
            #[cfg(feature = "test-util")]
            witness: None,
        }
    }

    /// Tells a test as well.
    #[cfg(feature = "test-util")]
    pub(crate) fn watched_by(self, witness: Option<Witness>) -> Self {
        Self { witness, ..self }
    }

    /// One line a delivery, but for those from strangers, of which there is at most one a second and source: whoever
    /// can send forgeries must not be able to fill a disk. Nothing of the request's own bytes is in it.
    pub(crate) fn delivery(
        &self,
        source: Option<&Source>,
        id: DeliveryId,
        outcome: &Outcome,
        cause: Cause,
        began: Instant,
    ) {
        let (name, stats, gate) = match source {
            Some(source) => (source.name.as_str(), &*source.stats, &source.gate),
            None => ("unknown", &self.astray, &self.gate),
        };
        stats.record(outcome, began);
        #[cfg(feature = "test-util")]
        self.witness.iter().for_each(|witness| witness.outcome(id, outcome));
        // As it is answered: some providers want to see another than the usual one.
        let status = source.map_or_else(|| outcome.status(), |it| it.status(outcome)).as_u16();
        let reason = outcome.reason();
        // Looked at only where somebody listens: a clock is dear.
        let took_us = || u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let outcome_label = outcome.label();
        let held_back = match cause {
            Cause::Known => None,
            Cause::Stranger => match gate.pass(self.clock.monotonic()) {
                Some(held_back) => Some(held_back),
                None => return,
            },
        };
        if outcome.is_success() {
            tracing::info!(
                source = name, delivery = %id, outcome = outcome_label, reason, status, took_us = took_us(), held_back, "delivery"
            );
        } else if held_back.is_some() {
            tracing::warn!(
                source = name, delivery = %id, outcome = outcome_label, reason, status, took_us = took_us(), held_back,
                "delivery refused"
            );
        } else {
            tracing::warn!(source = name, delivery = %id, outcome = outcome_label, reason, status, took_us = took_us(), "delivery");
        }
    }
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seen").finish_non_exhaustive()
    }
}
