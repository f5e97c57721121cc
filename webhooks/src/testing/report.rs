//! What became of a delivery.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::outcome::Outcome;
use crate::rehearsal::{RunReport, RunResult};
use crate::reply::Reply;

/// What became of a delivery: what the provider was answered, and what each listener did.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Report {
    /// The status that the provider sees.
    pub status: StatusCode,
    /// What became of the delivery.
    pub outcome: Outcome,
    /// The headers of the answer, `webhook-delivery-id` among them.
    pub headers: HeaderMap,
    /// The body of the answer: empty unless the provider wants one, or it is an error.
    pub body: Bytes,
    /// Every run of a listener with an event of the delivery, in the order in which they began. Of an event that was dead
    /// and is begun afresh: every run since then.
    pub runs: Vec<RunReport>,
}

impl Report {
    /// The last run of a listener: `"on_paid"` or `"billing::on_paid"`. `None`: it did not run.
    pub fn run(&self, listener: &str) -> Option<&RunReport> {
        self.runs.iter().rev().find(|run| is_called(&run.listener, listener))
    }

    /// What came of the last run of a listener. `None`: it did not run.
    pub fn result(&self, listener: &str) -> Option<&RunResult> {
        self.run(listener).map(|run| &run.result)
    }

    pub(super) fn new(reply: Reply, outcome: Outcome, runs: Vec<RunReport>) -> Self {
        let Reply { status, headers, body } = reply;
        Self { status, outcome, headers, body, runs }
    }
}

/// Whether an id is a listener's whole name, or ends with it.
pub(super) fn is_called(id: &str, name: &str) -> bool {
    id.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with("::"))
}
