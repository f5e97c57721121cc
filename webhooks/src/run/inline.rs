//! Inline mode: claim, run, settle, while the provider waits for the answer.

use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use smallvec::SmallVec;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::lease::LeaseKeeper;
use super::runner;
use super::single_flight::{Role, SingleFlight};
use super::verdict::{RetryPolicy, verdict};
use crate::event::{NewEvent, WebhookEvent};
use crate::life::{Life, Phase};
use crate::listener::audience::Audience;
use crate::listener::bound::Listener;
use crate::metrics::{self, Gauge, Hold};
use crate::outcome::Outcome;
use crate::stats::SourceStats;
use crate::store::{Claim, ClaimTerms, DynStore, EventKey, Grant, ListenerFate, StoreError, Token};

pub(crate) use binding::Binding;
use ledger::Ledger;
use stored::{Lease, StoredClaim};

mod binding;
mod ledger;
mod stored;

/// Drives events through claim, run and settlement.
pub(crate) struct Inline {
    store: Arc<dyn DynStore>,
    keeper: LeaseKeeper<Arc<dyn DynStore>>,
    flights: SingleFlight,
    permits: Semaphore,
    in_flight: Gauge,
    waiters: Gauge,
    pub(crate) life: Life,
    options: InlineOptions,
}

/// See the settings of the same names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InlineOptions {
    pub(crate) lease: Duration,
    pub(crate) wait: Duration,
    pub(crate) max_attempts: u32,
    pub(crate) max_in_flight: usize,
}

/// One event and those who hear it.
pub(crate) struct Job {
    pub(crate) event: NewEvent,
    /// What the key must not come with again, if it is a token that the signature covers alone.
    pub(crate) binding: Option<Binding>,
    pub(crate) audience: Audience,
    pub(crate) retention: Duration,
    pub(crate) timeout: Duration,
    pub(crate) stats: Arc<SourceStats>,
}

/// Whether an event may wait for its turn: the parts of a batch do, for their delivery is already let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    Now,
    Wait,
}

/// What is still being recorded of the listeners that are through. Each says whether the claim is still ours.
type Recording<'r> = FuturesUnordered<BoxFuture<'r, bool>>;

/// The claim is another's now.
struct ClaimLost;

impl Inline {
    pub(crate) fn new(store: Arc<dyn DynStore>, options: InlineOptions) -> Self {
        Self {
            keeper: LeaseKeeper::new(Arc::clone(&store), options.lease),
            store,
            flights: SingleFlight::default(),
            permits: Semaphore::new(options.max_in_flight.min(Semaphore::MAX_PERMITS)),
            in_flight: metrics::IN_FLIGHT.gauged([]),
            waiters: metrics::WAITERS.gauged([]),
            life: Life::new(),
            options,
        }
    }

    pub(crate) fn store(&self) -> &dyn DynStore {
        &*self.store
    }

    /// Handles one event to its outcome. Not to be dropped half-way: that would leave its claim to run out.
    pub(crate) async fn handle(&self, job: Job, turn: Turn) -> Outcome {
        if let Some(binding) = &job.binding
            && let Err(outcome) = self.check_binding(binding).await
        {
            return outcome;
        }
        if job.audience.is_empty() {
            return Outcome::Ignored;
        }
        if !job.event.is_deduplicated {
            return self.run_without_claim(job, turn).await;
        }
        let key = job.event.key.clone();
        match self.flights.join(&key) {
            Role::Leader(leader) => {
                let outcome = self.claim(&key, job, turn).await;
                leader.finish(&outcome);
                outcome
            }
            Role::Follower(follower) => {
                // The body is not needed to wait.
                drop(job);
                let _waiting = self.waiters.hold();
                match follower.outcome(self.options.wait).await {
                    Some(Outcome::Handled) => Outcome::Duplicate,
                    Some(outcome) => outcome,
                    None => Outcome::Busy(self.options.wait),
                }
            }
            Role::TooMany => Outcome::Busy(self.options.wait),
        }
    }

    async fn claim(&self, key: &EventKey, job: Job, turn: Turn) -> Outcome {
        let Some(_permit) = self.permit(turn).await else { return Outcome::Overloaded };
        if self.life.phase() == Phase::Cancelled {
            return Outcome::ShuttingDown;
        }
        let asked_at = Instant::now();
        let terms = ClaimTerms::new(self.options.lease, job.retention);
        match self.store.claim(key, &terms).await {
            Ok(Claim::Granted(grant)) => {
                let lease = self.keeper.hold(StoredClaim { key: key.clone(), token: grant.token }, asked_at);
                self.run(key, job, grant, lease).await
            }
            Ok(Claim::Busy { retry_after }) => Outcome::Busy(retry_after),
            Ok(Claim::Completed) => Outcome::Duplicate,
            Ok(Claim::CrashLoop { attempts }) => {
                let (source, event_id) = (job.event.delivery.source().as_str(), job.event.id.as_deref());
                tracing::error!(
                    source,
                    event_id,
                    attempts,
                    reason = "crash_loop",
                    "event is dead: it never settled"
                );
                Outcome::Dead
            }
            Err(error) => refused(&error),
        }
    }

    async fn run(&self, key: &EventKey, job: Job, grant: Grant, lease: Lease) -> Outcome {
        let event = job.event.claimed(grant.attempt);
        let mut ledger = Ledger::new(grant.settled);
        let ran = tokio::select! {
            biased;
            ran = self.run_listeners(&event, &job.audience, &mut ledger, job.timeout, Some((key, grant.token))) => {
                ran.map_err(|ClaimLost| Outcome::LeaseLost)
            }
            () = lease.lost() => Err(Outcome::LeaseLost),
            () = self.life.cancelled() => Err(Outcome::ShuttingDown),
        };
        let (recording, interrupted) = match ran {
            Ok(recording) => (recording, None),
            Err(outcome) => (None, Some(outcome)),
        };
        if matches!(interrupted, Some(Outcome::LeaseLost)) {
            job.stats.lease_lost.increment();
            tracing::warn!(%key, delivery = %event.delivery_id(), "the claim was lost; what still ran was cancelled");
            return Outcome::LeaseLost;
        }
        if interrupted.is_some() {
            ledger.interrupted();
        }
        let outcome = ledger.outcome();
        let settling = self.settle(key, grant.token, &ledger, job.retention, &lease);
        match while_recording(recording, settling).await {
            Ok(true) => interrupted.unwrap_or(outcome),
            Ok(false) => {
                job.stats.lease_lost.increment();
                tracing::warn!(%key, delivery = %event.delivery_id(), "another attempt owns the event now and decides");
                Outcome::LeaseLost
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(
                    %key, delivery = %event.delivery_id(), outcome = outcome.label(), %error, cause,
                    "the outcome could not be recorded; a redelivery may be handled again"
                );
                interrupted.unwrap_or(outcome)
            }
        }
    }

    /// Runs, side by side, the listeners that are not through yet.
    async fn run_listeners<'r>(
        &'r self,
        event: &WebhookEvent,
        audience: &[Listener],
        ledger: &mut Ledger,
        timeout: Duration,
        claim: Option<(&'r EventKey, Token)>,
    ) -> Result<Option<Recording<'r>>, ClaimLost> {
        let policy = RetryPolicy { max_attempts: self.options.max_attempts };
        let judge = |result| verdict(&result, event.attempt(), policy);
        let pending: SmallVec<[_; 4]> = audience.iter().filter(|it| !ledger.is_through(&it.id)).collect();
        if let [listener] = pending[..] {
            ledger.enter(event, &listener.id, judge(runner::run(listener, event, timeout).await), true);
            return Ok(None);
        }
        let mut runs: FuturesUnordered<_> = pending
            .iter()
            .map(|listener| async { (*listener, judge(runner::run(listener, event, timeout).await)) })
            .collect();
        // Side by side with the runs: a store that is slow to answer holds up no listener.
        let mut recording = Recording::new();
        loop {
            tokio::select! {
                biased;
                Some(ours) = recording.next() => {
                    if !ours {
                        return Err(ClaimLost);
                    }
                }
                Some((listener, verdict)) = runs.next() => {
                    // The last one is recorded by the settlement, and whatever is not recorded by then.
                    let last = runs.is_empty();
                    let fate = ledger.enter(event, &listener.id, verdict, last);
                    if last {
                        return Ok(Some(recording));
                    }
                    if let (Some(fate), Some((key, token))) = (fate, claim) {
                        recording.push(self.record(key, token, fate.clone()).boxed());
                    }
                }
                else => return Ok(Some(recording)),
            }
        }
    }

    /// Notes that a listener is through. `false`: the claim is another's now.
    async fn record(&self, key: &EventKey, token: Token, fate: ListenerFate) -> bool {
        match self.store.record(key, token, &fate).await {
            Ok(ours) => ours,
            Err(error) => {
                tracing::warn!(%key, listener = &*fate.listener, %error, "not recorded yet");
                true
            }
        }
    }

    /// Gives the claim up, trying again until the lease ends. A lease that has ended is still asked about, once: after a
    /// pause of the whole process only the store knows whether the event has passed to another.
    async fn settle(
        &self,
        key: &EventKey,
        token: Token,
        ledger: &Ledger,
        retention: Duration,
        lease: &Lease,
    ) -> Result<bool, StoreError> {
        const PAUSE: Duration = Duration::from_millis(200);
        const ONE_ANSWER: Duration = Duration::from_secs(2);
        let settlement = ledger.settlement(retention);
        let mut settling = self.store.settle(key, token, &settlement);
        // A store in memory answers at once, and then the time does not matter.
        let mut at_once = match poll_fn(|context| Poll::Ready(settling.as_mut().poll(context))).await {
            Poll::Ready(Ok(ours)) => return Ok(ours),
            Poll::Ready(Err(error)) => Some(error),
            Poll::Pending => None,
        };
        let deadline = tokio::time::Instant::now() + lease.left().unwrap_or(ONE_ANSWER);
        loop {
            let error = match at_once.take() {
                Some(error) => error,
                None => match tokio::time::timeout_at(deadline, settling).await {
                    Ok(Ok(ours)) => return Ok(ours),
                    Ok(Err(error)) => error,
                    Err(_) => StoreError::unavailable("it did not answer before the lease ended"),
                },
            };
            if tokio::time::Instant::now() + PAUSE >= deadline {
                return Err(error);
            }
            tokio::time::sleep(PAUSE).await;
            settling = self.store.settle(key, token, &settlement);
        }
    }

    async fn run_without_claim(&self, job: Job, turn: Turn) -> Outcome {
        let Some(_permit) = self.permit(turn).await else { return Outcome::Overloaded };
        if self.life.phase() == Phase::Cancelled {
            return Outcome::ShuttingDown;
        }
        job.stats.without_id.increment();
        let event = job.event.claimed(1);
        let mut ledger = Ledger::new(Vec::new());
        tokio::select! {
            biased;
            _ = self.run_listeners(&event, &job.audience, &mut ledger, job.timeout, None) => {}
            () = self.life.cancelled() => return Outcome::ShuttingDown,
        }
        ledger.outcome()
    }

    async fn permit(&self, turn: Turn) -> Option<(SemaphorePermit<'_>, Hold<'_>)> {
        let permit = match turn {
            Turn::Now => self.permits.try_acquire().ok()?,
            Turn::Wait => self.permits.acquire().await.ok()?,
        };
        Some((permit, self.in_flight.hold()))
    }
}

impl std::fmt::Debug for Inline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inline").field("options", &self.options).finish_non_exhaustive()
    }
}

/// Settles, and meanwhile hears what the store answers to the records before. Nobody needs it any more; but a store that
/// is left in the middle of an answer has to give its connection up, which others use too.
async fn while_recording<T>(recording: Option<Recording<'_>>, settling: impl Future<Output = T>) -> T {
    let Some(mut recording) = recording else { return settling.await };
    let heard = async {
        while recording.next().await.is_some() {}
        pending::<std::convert::Infallible>().await
    };
    tokio::select! {
        biased;
        never = heard => match never {},
        settled = settling => settled,
    }
}

fn refused(error: &StoreError) -> Outcome {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    tracing::warn!(%error, cause, "no claim, so nothing ran");
    match error {
        StoreError::Full => Outcome::StoreFull,
        StoreError::Unavailable(_) | StoreError::Unsuitable { .. } => Outcome::StoreUnavailable,
    }
}
