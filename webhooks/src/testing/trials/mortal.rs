//! A process that can die: what it says to the store from then on is not heard.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Clock;
use crate::store::{
    Claim, ClaimTerms, EventKey, InMemoryWebhookEventStore, ListenerFate, Settlement, StoreError, Token,
    WebhookEventStore,
};

/// The claims that outlive the processes of one trial.
#[derive(Clone)]
pub(super) struct Memory {
    store: Arc<InMemoryWebhookEventStore>,
    clock: Clock,
    /// The longest lease that was asked for, in milliseconds.
    lease: Arc<AtomicU64>,
}

impl Memory {
    pub(super) fn new() -> Self {
        let clock = Clock::turnable();
        let store = Arc::new(InMemoryWebhookEventStore::new().with_clock(clock.clone()));
        Self { store, clock, lease: Arc::default() }
    }

    /// Lets every lease end that nobody renews.
    pub(super) fn outwait_leases(&self) {
        self.clock
            .advance(Duration::from_millis(self.lease.load(Ordering::Relaxed)) + Duration::from_secs(1));
    }
}

/// One process's way to the claims.
#[derive(Clone)]
pub(super) struct Mortal {
    memory: Memory,
    dead: Arc<AtomicBool>,
}

impl Mortal {
    pub(super) fn new(memory: Memory) -> Self {
        Self { memory, dead: Arc::default() }
    }

    pub(super) fn die(&self) {
        self.dead.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }
}

impl WebhookEventStore for Mortal {
    async fn claim(&self, key: &EventKey, terms: &ClaimTerms) -> Result<Claim, StoreError> {
        if self.is_dead() {
            return Err(StoreError::unavailable("the process is dead"));
        }
        let lease = u64::try_from(terms.lease.as_millis()).unwrap_or(u64::MAX);
        self.memory.lease.fetch_max(lease, Ordering::Relaxed);
        WebhookEventStore::claim(&*self.memory.store, key, terms).await
    }

    async fn renew(&self, key: &EventKey, token: Token, lease: Duration) -> Result<bool, StoreError> {
        Ok(!self.is_dead() && WebhookEventStore::renew(&*self.memory.store, key, token, lease).await?)
    }

    async fn record(&self, key: &EventKey, token: Token, fate: &ListenerFate) -> Result<bool, StoreError> {
        Ok(!self.is_dead() && WebhookEventStore::record(&*self.memory.store, key, token, fate).await?)
    }

    async fn settle(
        &self,
        key: &EventKey,
        token: Token,
        settlement: &Settlement,
    ) -> Result<bool, StoreError> {
        Ok(!self.is_dead() && WebhookEventStore::settle(&*self.memory.store, key, token, settlement).await?)
    }

    async fn forget(&self, key: &EventKey) -> Result<bool, StoreError> {
        WebhookEventStore::forget(&*self.memory.store, key).await
    }
}
