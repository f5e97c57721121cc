//! From ready to gone: who is still let in, and when what still runs is cancelled.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

/// Where a process is on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// In business.
    Ready,
    /// Readiness fails, so that load balancers look elsewhere; deliveries are still accepted.
    Leaving,
    /// Deliveries are refused; runs may finish.
    Closed,
    /// What still runs is cancelled.
    Cancelled,
}

/// The phase, and how much is under way. Clones are the same life.
#[derive(Debug, Clone)]
pub(crate) struct Life {
    phase: watch::Sender<Phase>,
    under_way: Arc<UnderWay>,
}

#[derive(Debug, Default)]
struct UnderWay {
    count: AtomicUsize,
    none: Notify,
}

/// A task that ends with whoever holds this.
#[derive(Debug)]
#[cfg_attr(not(feature = "postgres"), allow(dead_code))]
pub(crate) struct Upkeep(pub(crate) AbortHandle);

impl Drop for Upkeep {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// One delivery under way; dropped when it is through.
#[derive(Debug)]
pub(crate) struct Passage(Arc<UnderWay>);

impl Life {
    /// Cancelled runs still release their claims; a store that hangs must not hold the process for ever.
    pub(crate) const LAST_MOMENTS: Duration = Duration::from_secs(5);

    pub(crate) fn new() -> Self {
        Self { phase: watch::Sender::new(Phase::Ready), under_way: Arc::default() }
    }

    pub(crate) fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Moves on; there is no way back.
    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.send_if_modified(|now| {
            let later = phase > *now;
            *now = (*now).max(phase);
            later
        });
    }

    pub(crate) fn begin(&self) -> Passage {
        self.under_way.count.fetch_add(1, Ordering::AcqRel);
        Passage(Arc::clone(&self.under_way))
    }

    /// Returns when what runs must stop.
    pub(crate) async fn cancelled(&self) {
        // The sender is ours, so waiting cannot fail.
        let _ = self.phase.subscribe().wait_for(|phase| *phase == Phase::Cancelled).await;
    }

    /// Shuts down gracefully: unready for `delay`, then closed for up to `grace`, then cancelled.
    pub(crate) async fn drain(&self, delay: Duration, grace: Duration) {
        self.enter(Phase::Leaving);
        tokio::time::sleep(delay).await;
        self.enter(Phase::Closed);
        if tokio::time::timeout(grace, self.idle()).await.is_err() {
            self.enter(Phase::Cancelled);
            let _ = tokio::time::timeout(Self::LAST_MOMENTS, self.idle()).await;
        }
    }

    async fn idle(&self) {
        loop {
            let none = self.under_way.none.notified();
            if self.under_way.count.load(Ordering::Acquire) == 0 {
                return;
            }
            none.await;
        }
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.none.notify_waiters();
        }
    }
}
