//! A store that is timed.

use std::sync::Arc;
use std::time::Duration;

use super::{
    Claim, ClaimTerms, DynStore, EventKey, ListenerFate, Settlement, StoreError, Token, WebhookEventStore,
};
use crate::metrics::{self, Counter, Histogram, Stopwatch};

/// A store as everything else holds it: timed, in a build with metrics.
pub(crate) fn share(store: impl WebhookEventStore) -> Arc<dyn DynStore> {
    match cfg!(feature = "metrics") {
        true => Arc::new(Timed::new(store)),
        false => Arc::new(store),
    }
}

/// Tells the metrics how long each operation takes, and how many fail.
struct Timed<S> {
    store: S,
    claim: Operation,
    renew: Operation,
    record: Operation,
    settle: Operation,
    forget: Operation,
}

struct Operation {
    took: Histogram,
    errors: Counter,
}

impl<S> Timed<S> {
    fn new(store: S) -> Self {
        Self {
            store,
            claim: Operation::new("claim"),
            renew: Operation::new("renew"),
            record: Operation::new("record"),
            settle: Operation::new("settle"),
            forget: Operation::new("forget"),
        }
    }
}

impl Operation {
    fn new(name: &str) -> Self {
        Self { took: metrics::STORE_SECONDS.timed([name]), errors: metrics::STORE_ERRORS.counted([name]) }
    }

    async fn time<T>(&self, answer: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let began = Stopwatch::start();
        let answer = answer.await;
        self.took.record_since(&began);
        if answer.is_err() {
            self.errors.increment();
        }
        answer
    }
}

impl<S: WebhookEventStore> WebhookEventStore for Timed<S> {
    async fn claim(&self, key: &EventKey, terms: &ClaimTerms) -> Result<Claim, StoreError> {
        self.claim.time(self.store.claim(key, terms)).await
    }

    async fn renew(&self, key: &EventKey, token: Token, lease: Duration) -> Result<bool, StoreError> {
        self.renew.time(self.store.renew(key, token, lease)).await
    }

    async fn record(&self, key: &EventKey, token: Token, fate: &ListenerFate) -> Result<bool, StoreError> {
        self.record.time(self.store.record(key, token, fate)).await
    }

    async fn settle(
        &self,
        key: &EventKey,
        token: Token,
        settlement: &Settlement,
    ) -> Result<bool, StoreError> {
        self.settle.time(self.store.settle(key, token, settlement)).await
    }

    async fn forget(&self, key: &EventKey) -> Result<bool, StoreError> {
        self.forget.time(self.store.forget(key)).await
    }

    async fn check(&self) -> Result<Vec<String>, StoreError> {
        self.store.check().await
    }

    fn forgets_on_restart(&self) -> bool {
        self.store.forgets_on_restart()
    }
}
