//! Keeps claims alive while their listeners run.
//!
//! Renewal has a thread and a runtime of its own: a listener that blocks its thread, even the only one, must not
//! starve the renewal of its own lease. A lease that could not be renewed ends *here* before it ends in the store, so
//! that a run is cancelled before another can be granted.

use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use slab::Slab;
use tokio::sync::Notify;

/// Where claims live that have to be renewed.
pub(crate) trait Claims: Send + Sync + 'static {
    /// What names a claim, in messages too.
    type Claim: fmt::Display + Send + Sync + 'static;

    /// Extends a claim to `lease` from now. `false`: it is no longer the caller's.
    fn renew(
        &self,
        claim: &Self::Claim,
        lease: Duration,
    ) -> impl Future<Output = Result<bool, String>> + Send;
}

/// Renews every live claim each third of its lease.
pub(crate) struct LeaseKeeper<C: Claims> {
    claims: Arc<C>,
    lease: Duration,
    held: Arc<HeldLeases<C::Claim>>,
}

/// A claim that is being kept alive. Dropped, it is kept no longer.
pub(crate) struct Lease<T> {
    place: usize,
    held: Arc<Held<T>>,
    leases: Arc<HeldLeases<T>>,
}

struct Held<T> {
    claim: T,
    origin: Instant,
    /// When the holder must have stopped: milliseconds after `origin`.
    ends: AtomicU64,
    /// When to renew next: milliseconds after `origin`.
    due: AtomicU64,
    lost: AtomicBool,
    changed: Notify,
}

/// All live leases; there are never more than runs in flight.
struct HeldLeases<T> {
    state: Mutex<State<T>>,
    closing: Condvar,
}

struct State<T> {
    leases: Slab<Arc<Held<T>>>,
    started: bool,
    closed: bool,
}

impl<C: Claims> LeaseKeeper<C> {
    pub(crate) fn new(claims: C, lease: Duration) -> Self {
        let state = State { leases: Slab::new(), started: false, closed: false };
        let held = HeldLeases { state: Mutex::new(state), closing: Condvar::new() };
        Self { claims: Arc::new(claims), lease, held: Arc::new(held) }
    }

    /// Keeps a claim alive that was asked for at `asked_at`, which is before its lease began to count.
    pub(crate) fn hold(&self, claim: C::Claim, asked_at: Instant) -> Lease<C::Claim> {
        let held = Arc::new(Held {
            claim,
            origin: asked_at,
            ends: AtomicU64::new(millis(safe_part(self.lease))),
            due: AtomicU64::new(millis(self.lease / 3)),
            lost: AtomicBool::new(false),
            changed: Notify::new(),
        });
        let mut state = self.held.lock();
        let place = state.leases.insert(Arc::clone(&held));
        let start = !std::mem::replace(&mut state.started, true);
        drop(state);
        if start {
            self.start();
        }
        Lease { place, held, leases: Arc::clone(&self.held) }
    }

    fn start(&self) {
        let renewer =
            Renewer { claims: Arc::clone(&self.claims), lease: self.lease, held: Arc::clone(&self.held) };
        let spawned = std::thread::Builder::new().name("webhooks-leases".into()).spawn(move || renewer.run());
        if let Err(error) = spawned {
            // Without renewal every run still ends with its first lease: safe, but short.
            tracing::error!(%error, "leases cannot be renewed: no thread for it could be started");
            self.held.not_started();
        }
    }
}

impl<C: Claims> Drop for LeaseKeeper<C> {
    fn drop(&mut self) {
        self.held.lock().closed = true;
        self.held.closing.notify_all();
    }
}

impl<C: Claims> fmt::Debug for LeaseKeeper<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeaseKeeper").field("lease", &self.lease).finish_non_exhaustive()
    }
}

impl<T> Lease<T> {
    /// Returns when the claim can no longer be counted on.
    pub(crate) async fn lost(&self) {
        loop {
            // Created before looking, so that a loss in between is not missed.
            let changed = self.held.changed.notified();
            let Some(left) = self.left() else { return };
            // Woken by the loss; or in time, to find that the lease was renewed meanwhile.
            let _ = tokio::time::timeout(left, changed).await;
        }
    }

    /// How long the claim can still be counted on.
    pub(crate) fn left(&self) -> Option<Duration> {
        self.held.left()
    }
}

impl<T> Drop for Lease<T> {
    fn drop(&mut self) {
        self.leases.lock().leases.try_remove(self.place);
    }
}

impl<T> Held<T> {
    fn left(&self) -> Option<Duration> {
        if self.lost.load(Ordering::Acquire) {
            return None;
        }
        let ends = Duration::from_millis(self.ends.load(Ordering::Acquire));
        ends.checked_sub(self.origin.elapsed()).filter(|left| !left.is_zero())
    }

    fn is_due(&self) -> bool {
        self.origin.elapsed() >= Duration::from_millis(self.due.load(Ordering::Relaxed))
    }

    fn renew_again_in(&self, delay: Duration) {
        self.due.store(millis(self.origin.elapsed() + delay), Ordering::Relaxed);
    }

    fn renewed(&self, asked_at: Instant, lease: Duration) {
        let ends = asked_at.saturating_duration_since(self.origin) + safe_part(lease);
        self.ends.fetch_max(millis(ends), Ordering::AcqRel);
        self.renew_again_in(lease / 3);
    }

    fn lose(&self) {
        self.lost.store(true, Ordering::Release);
        self.changed.notify_waiters();
    }
}

/// The renewing thread.
struct Renewer<C: Claims> {
    claims: Arc<C>,
    lease: Duration,
    held: Arc<HeldLeases<C::Claim>>,
}

impl<C: Claims> Renewer<C> {
    fn run(self) {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!(%error, "leases cannot be renewed: no runtime for it could be started");
                self.held.not_started();
                return;
            }
        };
        while !self.nap() {
            let due: Vec<_> =
                self.held.lock().leases.iter().map(|(_, it)| it).filter(|it| it.is_due()).cloned().collect();
            if !due.is_empty() {
                runtime.block_on(futures_util::future::join_all(due.iter().map(|held| self.renew(held))));
            }
        }
    }

    /// Sleeps a twelfth of a lease. Whether the keeper is gone.
    fn nap(&self) -> bool {
        let state = self.held.lock();
        let nap = (self.lease / 12).max(Duration::from_millis(1));
        let woken = self.held.closing.wait_timeout_while(state, nap, |state| !state.closed);
        woken.map_or_else(|poisoned| poisoned.into_inner().0.closed, |(state, _)| state.closed)
    }

    async fn renew(&self, held: &Held<C::Claim>) {
        let asked_at = Instant::now();
        // A store of the user's may panic, and must not take the other leases with it.
        let renewal =
            AssertUnwindSafe(async { self.claims.renew(&held.claim, self.lease).await }).catch_unwind();
        // Bounded, for other leases are waiting: a renewal that takes this long is better asked for again.
        match tokio::time::timeout(self.lease / 6, renewal).await {
            Ok(Ok(Ok(true))) => held.renewed(asked_at, self.lease),
            Ok(Ok(Ok(false))) => held.lose(),
            Ok(Ok(Err(error))) => self.failed(held, &error),
            Ok(Err(_)) => self.failed(held, "the store panicked"),
            Err(_) => self.failed(held, "it did not answer in time"),
        }
    }

    fn failed(&self, held: &Held<C::Claim>, error: &str) {
        tracing::warn!(claim = %held.claim, error, "a lease could not be renewed yet");
        held.renew_again_in(self.lease / 12);
    }
}

impl<T> HeldLeases<T> {
    /// The next lease tries again.
    fn not_started(&self) {
        self.lock().started = false;
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// What of a lease is counted on: the rest is for stopping, before the store may grant it to another.
fn safe_part(lease: Duration) -> Duration {
    lease - lease / 10
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
