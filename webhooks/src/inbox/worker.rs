//! Works the inbox off: claim, run, settle.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::seq::SliceRandom as _;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, Id, JoinSet};
use tracing::Instrument;

use super::retry::Backoff;
use super::{ClaimedRun, End, Fence, Inbox, Wanted, WantedListener};
use crate::delivery::SourceName;
use crate::error::Result;
use crate::event::WebhookEvent;
use crate::life::{Life, Passage, Phase};
use crate::listener::bound::Listener;
use crate::run::lease::{Lease, LeaseKeeper};
use crate::run::runner;
use crate::run::verdict::{RetryPolicy, Verdict, verdict};
use crate::stats::SourceStats;

/// Claims what is due, and has it run.
pub(crate) struct Worker {
    pub(crate) inbox: Arc<dyn Inbox>,
    pub(crate) listeners: Vec<Listener>,
    /// Where the sources' events are counted.
    pub(crate) stats: HashMap<SourceName, Arc<SourceStats>>,
    pub(crate) options: WorkerOptions,
    pub(crate) keeper: LeaseKeeper<Arc<dyn Inbox>>,
    pub(crate) life: Life,
    /// Something may have fallen due.
    pub(crate) wake: Arc<Notify>,
}

/// See the settings of the same names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WorkerOptions {
    pub(crate) backoff: Backoff,
    pub(crate) timeout: Duration,
    pub(crate) concurrency: usize,
    /// How long a claim lasts: so long does a run wait whose process has died, where nobody else can tell.
    pub(crate) lease: Duration,
}

/// The runs under way.
struct Crew {
    tasks: JoinSet<()>,
    held: HashMap<Id, Held>,
    /// The one run is a suspect, and has to be alone.
    alone: bool,
}

struct Held {
    fence: Fence,
    /// Its place among all.
    listener: usize,
    task: AbortHandle,
}

impl Worker {
    /// How long nothing is asked for at most: others may have put something down.
    const POLL: Duration = Duration::from_secs(1);

    /// Works until the end of the process.
    pub(crate) async fn work(self: Arc<Self>) {
        let mut crew = Crew::new();
        loop {
            let pause = self.hire(&mut crew).await;
            tokio::select! {
                biased;
                Some(ended) = crew.tasks.join_next_with_id(), if !crew.tasks.is_empty() => crew.leave(ended),
                () = self.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
            while let Some(ended) = crew.tasks.try_join_next_with_id() {
                crew.leave(ended);
            }
        }
    }

    /// Takes as many runs as there is room for. Returned is how long there will be nothing more.
    async fn hire(self: &Arc<Self>, crew: &mut Crew) -> Duration {
        // Begun before looking, so that a process that leaves either waits for this claim or is seen to leave.
        let passage = self.life.begin();
        let limit = self.options.concurrency.saturating_sub(crew.held.len());
        if limit == 0 || crew.alone || self.life.phase() >= Phase::Closed {
            return Self::POLL;
        }
        let wanted = Wanted {
            listeners: self.with_room(crew),
            limit,
            lease: self.options.lease,
            idle: crew.held.is_empty(),
        };
        let asked_at = Instant::now();
        let claimed = match self.inbox.claim(wanted).await {
            Ok(claimed) => claimed,
            Err(error) => {
                tracing::warn!(%error, "no runs could be claimed");
                return Self::POLL;
            }
        };
        for dead in &claimed.given_up {
            tracing::error!(
                source = dead.source,
                event_id = dead.event_id,
                listener = dead.listener,
                attempts = dead.attempts,
                reason = dead.reason.code(),
                "event is dead: its last attempts never ended"
            );
        }
        crew.alone = claimed.suspect && !claimed.runs.is_empty();
        for run in claimed.runs {
            self.start(crew, run, asked_at);
        }
        drop(passage);
        claimed.next_due.unwrap_or(Self::POLL).min(Self::POLL)
    }

    fn start(self: &Arc<Self>, crew: &mut Crew, run: ClaimedRun, asked_at: Instant) {
        // Known, for only runs of these listeners are asked for.
        let Some(at) = self.listeners.iter().position(|it| *it.id == *run.listener) else { return };
        // Should one of ours have outlived its lease, it must not go on beside its successor.
        crew.dismiss(run.fence.run);
        let fence = run.fence;
        let lease = self.keeper.hold(fence, asked_at);
        let (worker, passage) = (Arc::clone(self), self.life.begin());
        let task =
            crew.tasks.spawn(async move { worker.attempt(&worker.listeners[at], run, lease, passage).await });
        crew.held.insert(task.id(), Held { fence, listener: at, task });
    }

    /// One attempt, in a span that names the delivery which brought the event.
    async fn attempt(&self, listener: &Listener, run: ClaimedRun, lease: Lease<Fence>, _passage: Passage) {
        let event = run.event.restore(run.attempt, run.is_replay);
        let span = tracing::info_span!(
            "attempt", source = event.source(), delivery = %event.delivery_id(), is_replay = event.is_replay()
        );
        self.carry_out(listener, &event, run.fence, lease).instrument(span).await;
    }

    /// From claim to settlement.
    async fn carry_out(&self, listener: &Listener, event: &WebhookEvent, fence: Fence, lease: Lease<Fence>) {
        let end = tokio::select! {
            biased;
            result = runner::run(listener, event, self.options.timeout) => self.judge(listener, event, &result),
            () = lease.lost() => {
                self.count_lost(event);
                tracing::warn!(
                    source = event.source(), event_id = event.id(), listener = &*listener.id,
                    "the lease could not be kept; the run was cancelled"
                );
                return;
            }
            () = self.life.cancelled() => End::Released,
        };
        self.settle(fence, end, event, listener).await;
    }

    fn judge(&self, listener: &Listener, event: &WebhookEvent, result: &Result) -> End {
        let backoff = self.backoff(listener);
        let policy = RetryPolicy { max_attempts: backoff.max_attempts };
        let error = || result.as_ref().err().map(ToString::to_string).unwrap_or_default();
        match verdict(result, event.attempt(), policy) {
            Verdict::Done => End::Done,
            Verdict::Retry(delay) => {
                let pause = || backoff.pause(event.attempt(), rand::random());
                End::Retry { delay: delay.unwrap_or_else(pause), error: error() }
            }
            Verdict::Dead(reason) => {
                tracing::error!(
                    source = event.source(), event_id = event.id(), event_type = event.event_type(),
                    listener = &*listener.id, attempt = event.attempt(), delivery = %event.delivery_id(),
                    reason = reason.code(), "event is dead"
                );
                End::Dead { reason, error: error() }
            }
        }
    }

    fn backoff(&self, listener: &Listener) -> Backoff {
        self.options.backoff.with(&listener.declared.options.retry)
    }

    /// Tries until it is recorded: what was done must not be done again since a disk was full for a minute.
    async fn settle(&self, fence: Fence, end: End, event: &WebhookEvent, listener: &Listener) {
        let mut pause = Duration::from_millis(100);
        loop {
            let error = match self.inbox.settle(fence, end.clone()).await {
                Ok(true) => return,
                Ok(false) => {
                    self.count_lost(event);
                    let (source, event_id, listener) = (event.source(), event.id(), &*listener.id);
                    tracing::warn!(
                        source,
                        event_id,
                        listener,
                        "the run was taken away meanwhile; its end does not count"
                    );
                    return;
                }
                Err(error) => error,
            };
            let (source, event_id, listener) = (event.source(), event.id(), &*listener.id);
            tracing::error!(%error, source, event_id, listener, "the end of a run could not be recorded yet");
            if self.life.phase() == Phase::Cancelled {
                return;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
    }

    /// Sources that are configured no longer are counted nowhere.
    fn count_lost(&self, event: &WebhookEvent) {
        if let Some(stats) = self.stats.get(event.source()) {
            stats.lease_lost.increment();
        }
    }

    fn with_room(&self, crew: &Crew) -> Vec<WantedListener> {
        let mut running = vec![0_usize; self.listeners.len()];
        crew.held.values().for_each(|held| running[held.listener] += 1);
        let wanted = turns(self.listeners.len()).into_iter().map(|at| {
            let listener = &self.listeners[at];
            let most = listener.declared.options.concurrency.unwrap_or(usize::MAX);
            WantedListener {
                id: Arc::clone(&listener.id),
                limit: most.saturating_sub(running[at]),
                order: listener.declared.options.order_by.map(|order| order.on_dead),
                max_attempts: self.backoff(listener).max_attempts,
            }
        });
        wanted.collect()
    }
}

impl Crew {
    fn new() -> Self {
        Self { tasks: JoinSet::new(), held: HashMap::new(), alone: false }
    }

    fn leave(&mut self, ended: std::result::Result<(Id, ()), tokio::task::JoinError>) {
        let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
        self.held.remove(&id);
        self.alone &= !self.held.is_empty();
    }

    fn dismiss(&mut self, run: i64) {
        for held in self.held.values().filter(|held| held.fence.run == run) {
            held.task.abort();
        }
    }
}

/// The places of so many listeners, those to be served first in front.
///
/// Who that is is left to chance, so that none with much to do starves the others. To take turns would not do: claims for
/// many runs and for few may take turns too. Nor would it do to begin at a place left to chance: of two with much to do
/// among hundreds of idle ones, the first would nearly always come first.
fn turns(listeners: usize) -> Vec<usize> {
    let mut places: Vec<_> = (0..listeners).collect();
    places.shuffle(&mut rand::rng());
    places
}

#[cfg(test)]
mod tests {
    use super::turns;

    #[test]
    fn of_any_two_either_is_served_first_about_as_often() {
        const DRAWN: usize = 1_000;
        let first = |one: usize, other: usize| {
            let is_first = |_: &usize| {
                let turns = turns(100);
                turns.iter().position(|it| *it == one) < turns.iter().position(|it| *it == other)
            };
            (0..DRAWN).filter(is_first).count()
        };
        for (one, other) in [(0, 1), (1, 0), (99, 3)] {
            let often = first(one, other);
            assert!((DRAWN / 3..DRAWN * 2 / 3).contains(&often), "{one} before {other}: {often} of {DRAWN}");
        }
        let mut all = turns(100);
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
    }
}
