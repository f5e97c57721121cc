//! Waiting until an inbox has come to rest.

use std::time::{Duration, Instant, SystemTime};

use super::{Error, Result};
use crate::clock::Clock;
use crate::delivery::DeliveryId;
use crate::inbox::handle::{OperationError, WebhookInbox};
use crate::inbox::record::{EventRecord, RunRecord, RunState, Selection};
use crate::key::EventKey;
use crate::listener::options::OnDead;
use crate::rehearsal::Rehearsal;

/// How long something may take by the machine's clock. Listeners of tests do not take long.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often it is looked at.
const PAUSE: Duration = Duration::from_millis(2);

/// How long a run that may have to wait for its turn is given to show that it has not.
const TURN: Duration = Duration::from_millis(500);

/// An inbox of a test's.
pub(super) struct Rest<'r> {
    pub(super) inbox: WebhookInbox,
    pub(super) clock: &'r Clock,
    pub(super) rehearsal: &'r Rehearsal,
}

impl Rest<'_> {
    /// Waits until every run of a delivery's events has had its attempt: it is done, dead, or waits to be tried again, or
    /// for its turn.
    pub(super) async fn until_tried(&self, delivery: DeliveryId) -> Result {
        let (brought, revived) = (delivery.to_string(), self.rehearsal.witness.revived_by(delivery));
        let is_revived = |key: &EventKey| revived.contains(key);
        self.until_rest(|it| it.delivery == brought || it.key.as_ref().is_some_and(is_revived)).await
    }

    /// The same for some of the events.
    async fn until_rest(&self, is_meant: impl Fn(&EventRecord) -> bool) -> Result {
        let started = Instant::now();
        loop {
            let (now, records) = (self.clock.wall(), self.records().await?);
            let meant = records.iter().filter(|it| is_meant(it));
            let mut runs = meant.flat_map(|it| it.runs.iter().map(|run| (it.summary.number, run)));
            let busy = runs.find(|(event, run)| {
                let may_wait = started.elapsed() > TURN && self.is_behind(*event, run, &records);
                !(is_at_rest(run, now) || may_wait)
            });
            match busy {
                None => return Ok(()),
                Some((_, run)) if started.elapsed() > PATIENCE => return Err(restless(run)),
                Some(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// Has everything tried again, turning the clock to when each is due, until nothing is left to wait for.
    pub(super) async fn until_settled(&self) -> Result {
        loop {
            self.until_rest(|_| true).await?;
            let (now, records) = (self.clock.wall(), self.records().await?);
            let pending = records.iter().flat_map(|it| &it.runs).filter(|it| it.state == RunState::Pending);
            let Some(next) = pending.filter_map(|it| it.due_at).filter(|due| *due > now).min() else {
                return Ok(());
            };
            // A little further, for the inbox counts in milliseconds.
            self.clock.advance(next.duration_since(now).unwrap_or_default() + PAUSE);
            self.inbox.nudge();
        }
    }

    /// Whether a run has one in front of it that may hold it up.
    fn is_behind(&self, event: i64, run: &RunRecord, records: &[EventRecord]) -> bool {
        let Some(options) = self.rehearsal.options_of(&run.listener).filter(|it| it.order_by.is_some())
        else {
            return false;
        };
        let holds_up = |other: &RunRecord| match other.state {
            RunState::Pending => true,
            RunState::Dead => options.order_by.is_some_and(|order| order.on_dead == OnDead::Block),
            RunState::Done => false,
        };
        let earlier = records.iter().filter(|it| it.summary.number < event).flat_map(|it| &it.runs);
        !run.is_under_way && earlier.filter(|it| it.listener == run.listener).any(holds_up)
    }

    /// The events with a run that is not done.
    async fn records(&self) -> Result<Vec<EventRecord>> {
        let mut records = Vec::new();
        for state in [RunState::Pending, RunState::Dead] {
            let selection = Selection::new().state(state).limit(u32::MAX);
            for event in self.inbox.list(selection).await.map_err(unreadable)? {
                records.extend(self.inbox.show(event.number).await.map_err(unreadable)?);
            }
        }
        Ok(records)
    }
}

/// Whether nothing will happen to a run before it is due.
fn is_at_rest(run: &RunRecord, now: SystemTime) -> bool {
    let failed = run.failures.last().is_some_and(|it| it.attempt == run.attempts);
    run.state != RunState::Pending || failed && run.due_at.is_some_and(|due| due > now)
}

fn unreadable(error: OperationError) -> Error {
    Error::new(error.to_string(), "give each test an inbox of its own, in a temporary folder")
}

fn restless(run: &RunRecord) -> Error {
    let attempts = run.attempts;
    Error::new(
        format!("listener `{}` has not ended its attempt {attempts} within {PATIENCE:?}", run.listener),
        "it hangs, or it is not among the listeners of these webhooks",
    )
}
