//! What is seen of the pipeline: the outcome of each delivery, and what became of each run.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::delivery::DeliveryId;
use crate::event::WebhookEvent;
use crate::key::EventKey;
use crate::outcome::Outcome;

/// What one listener did with one event.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunReport {
    /// The listener's id: `billing::on_paid`, unless it was given another.
    pub listener: String,
    /// The event's id, where the provider gives one.
    pub event_id: Option<String>,
    /// The event's type.
    pub event_type: String,
    /// Which attempt at the event it was, from 1.
    pub attempt: u32,
    /// What came of it.
    pub result: RunResult,
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunResult {
    /// It has not ended yet.
    Running,
    /// The listener succeeded.
    Done,
    /// The listener returned an error.
    Failed {
        /// The error, with its causes.
        error: String,
        /// Whether it said that no repetition will help.
        permanent: bool,
    },
    /// The listener panicked, with this message.
    Panicked(String),
    /// The listener took longer than it may.
    TimedOut,
    /// It was cancelled: its claim passed to another attempt, or the process was told to end.
    Cancelled,
}

/// Remembers what it saw. Clones share the memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Witness(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    outcomes: HashMap<DeliveryId, Outcome>,
    /// In the order in which they began.
    runs: Vec<Run>,
    revivals: Vec<Revival>,
}

#[derive(Debug)]
struct Run {
    /// The delivery that brought the event: the first one, if it came more than once.
    delivery: DeliveryId,
    event: EventKey,
    report: RunReport,
}

/// A dead event came again, and is begun afresh.
#[derive(Debug)]
struct Revival {
    by: DeliveryId,
    event: EventKey,
    /// How many runs had begun by then, of whatever event.
    since: usize,
}

impl Witness {
    /// A delivery came to its end.
    pub(crate) fn outcome(&self, delivery: DeliveryId, outcome: &Outcome) {
        self.seen().outcomes.insert(delivery, outcome.clone());
    }

    /// The end that a delivery came to.
    pub(crate) fn outcome_of(&self, delivery: DeliveryId) -> Option<Outcome> {
        self.seen().outcomes.get(&delivery).cloned()
    }

    /// The runs of a delivery's events so far, in the order in which they began. Of those that it has begun afresh, those
    /// since then.
    pub(crate) fn runs_of(&self, delivery: DeliveryId) -> Vec<RunReport> {
        let seen = self.seen();
        let is_revived = |number: usize, run: &Run| {
            let mut revivals = seen.revivals.iter().filter(|it| it.by == delivery);
            revivals.any(|it| it.event == run.event && it.since <= number)
        };
        let runs = seen.runs.iter().enumerate();
        let ours = runs.filter(|(number, run)| run.delivery == delivery || is_revived(*number, run));
        ours.map(|(_, run)| run.report.clone()).collect()
    }

    /// The dead events that a delivery has begun afresh.
    pub(crate) fn revived_by(&self, delivery: DeliveryId) -> Vec<EventKey> {
        let seen = self.seen();
        seen.revivals.iter().filter(|it| it.by == delivery).map(|it| it.event.clone()).collect()
    }

    /// How many runs have begun.
    pub(super) fn begun(&self) -> usize {
        self.seen().runs.len()
    }

    /// A delivery has begun these events afresh; no run that began earlier is due to it.
    pub(super) fn revived(&self, by: DeliveryId, events: impl Iterator<Item = EventKey>, since: usize) {
        self.seen().revivals.extend(events.map(|event| Revival { by, event, since }));
    }

    /// A run begins; returned is its number.
    pub(super) fn begin(&self, listener: &str, event: &WebhookEvent) -> usize {
        let report = RunReport {
            listener: listener.to_owned(),
            event_id: event.id().map(str::to_owned),
            event_type: event.event_type().to_owned(),
            attempt: event.attempt(),
            result: RunResult::Running,
        };
        let mut seen = self.seen();
        seen.runs.push(Run { delivery: event.delivery_id(), event: event.key().clone(), report });
        seen.runs.len() - 1
    }

    /// A run has ended.
    pub(super) fn end(&self, number: usize, result: RunResult) {
        if let Some(run) = self.seen().runs.get_mut(number) {
            run.report.result = result;
        }
    }

    /// The latest run of a listener with an event has failed.
    pub(super) fn fail(&self, listener: &str, event: &WebhookEvent, result: RunResult) {
        let is_it = |run: &Run| {
            run.delivery == event.delivery_id()
                && run.event == *event.key()
                && run.report.listener == listener
                && run.report.attempt == event.attempt()
                && matches!(run.report.result, RunResult::Running | RunResult::Cancelled)
        };
        if let Some(run) = self.seen().runs.iter_mut().rev().find(|run| is_it(run)) {
            run.report.result = result;
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for RunResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running => f.write_str("runs still"),
            Self::Done => f.write_str("done"),
            Self::Failed { error, permanent: false } => write!(f, "failed: {error}"),
            Self::Failed { error, permanent: true } => write!(f, "failed for good: {error}"),
            Self::Panicked(message) => write!(f, "panicked: {message}"),
            Self::TimedOut => f.write_str("timed out"),
            Self::Cancelled => f.write_str("cancelled"),
        }
    }
}
