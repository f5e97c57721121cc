//! Listeners that do what a test says and tell how often they ran, and claims that several instances share.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;
use webhooks::{
    Claim, ClaimTerms, EventKey, ListenerFate, Settlement, StoreError, Token, WebhookEvent,
    WebhookEventListener, WebhookEventStore,
};

use crate::process::PATIENCE;

/// How often something happened. Clones count together.
#[derive(Debug, Clone)]
pub struct Count(Arc<watch::Sender<usize>>);

impl Count {
    /// It has not happened yet.
    #[expect(clippy::new_without_default, reason = "counts begin in tests, not in fields")]
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }

    /// It happened.
    pub fn add(&self) {
        self.0.send_modify(|count| *count += 1);
    }

    /// How often so far.
    pub fn get(&self) -> usize {
        *self.0.borrow()
    }

    /// Waits until it happened so often.
    pub async fn reach(&self, count: usize) {
        let mut seen = self.0.subscribe();
        let reached = timeout(PATIENCE, seen.wait_for(|now| *now >= count)).await;
        assert!(reached.is_ok(), "it happened {} times instead of {count}", self.get());
    }
}

/// Holds whoever comes until it is opened.
#[derive(Debug, Clone)]
pub struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    /// A closed one.
    pub fn closed() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Lets everyone through from now on.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    /// Waits until it is open.
    pub async fn pass(&self) {
        self.0.subscribe().wait_for(|open| *open).await.expect("the sender is ours");
    }
}

/// A listener to every source that does what it is told.
pub struct Scripted<F> {
    id: String,
    events: Vec<String>,
    act: F,
}

/// A listener of this id that does this.
pub fn listener<F, Done>(id: &str, act: F) -> Scripted<F>
where
    F: Fn(WebhookEvent) -> Done + Send + Sync + 'static,
    Done: Future<Output = webhooks::Result> + Send,
{
    Scripted { id: id.to_owned(), events: vec!["*".to_owned()], act }
}

impl<F> Scripted<F> {
    /// Hears only this.
    pub fn hearing(mut self, pattern: &str) -> Self {
        self.events = vec![pattern.to_owned()];
        self
    }
}

impl<F, Done> WebhookEventListener for Scripted<F>
where
    F: Fn(WebhookEvent) -> Done + Send + Sync + 'static,
    Done: Future<Output = webhooks::Result> + Send,
{
    fn source(&self) -> &str {
        "*"
    }

    fn events(&self) -> Vec<String> {
        self.events.clone()
    }

    fn id(&self) -> String {
        self.id.clone()
    }

    async fn handle(&self, event: &WebhookEvent) -> webhooks::Result {
        (self.act)(event.clone()).await
    }
}

impl<F> fmt::Debug for Scripted<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scripted").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A store that several instances in one process have in common, as processes have a Redis.
#[derive(Debug)]
pub struct Shared<S> {
    store: Arc<S>,
    renewals: Count,
}

impl<S> Shared<S> {
    /// To be cloned.
    pub fn new(store: S) -> Self {
        Self { store: Arc::new(store), renewals: Count::new() }
    }

    /// What they have in common.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// How many leases were renewed.
    pub fn renewals(&self) -> &Count {
        &self.renewals
    }
}

impl<S> Clone for Shared<S> {
    fn clone(&self) -> Self {
        Self { store: Arc::clone(&self.store), renewals: self.renewals.clone() }
    }
}

impl<S: WebhookEventStore> WebhookEventStore for Shared<S> {
    async fn claim(&self, key: &EventKey, terms: &ClaimTerms) -> Result<Claim, StoreError> {
        self.store.claim(key, terms).await
    }

    async fn renew(&self, key: &EventKey, token: Token, lease: Duration) -> Result<bool, StoreError> {
        let renewed = self.store.renew(key, token, lease).await;
        if let Ok(true) = renewed {
            self.renewals.add();
        }
        renewed
    }

    async fn record(&self, key: &EventKey, token: Token, fate: &ListenerFate) -> Result<bool, StoreError> {
        self.store.record(key, token, fate).await
    }

    async fn settle(
        &self,
        key: &EventKey,
        token: Token,
        settlement: &Settlement,
    ) -> Result<bool, StoreError> {
        self.store.settle(key, token, settlement).await
    }

    async fn forget(&self, key: &EventKey) -> Result<bool, StoreError> {
        self.store.forget(key).await
    }
}
