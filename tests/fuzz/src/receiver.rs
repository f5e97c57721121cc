//! Webhooks inside this process, and what they make of a delivery.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::runtime::Runtime;
use webhooks::{
    Builder, Claim, ClaimTerms, Delivery, EventKey, Grant, ListenerFate, Reply, Settings, Settlement,
    SourceName, StoreError, Token, WebhookEvent, WebhookEventListener, WebhookEventStore, WebhookProcessor,
    Webhooks,
};

/// When every delivery arrives, in seconds since 1970.
pub(crate) const NOW: u64 = 1_700_000_000;

/// What became of a delivery.
pub(crate) enum Verdict {
    /// The events in it.
    Accepted(Vec<WebhookEvent>),
    /// The reason code.
    Refused(String),
}

/// Assembled webhooks with one listener to everything.
pub(crate) struct Receiver {
    runtime: Runtime,
    processor: WebhookProcessor,
    heard: Heard,
}

impl Receiver {
    /// Assembles what the settings describe.
    pub(crate) fn new(settings: &str) -> Self {
        let settings: Settings = settings.parse().unwrap_or_else(|error| panic!("{error}"));
        Self::of(Webhooks::builder().settings(settings))
    }

    /// Assembles what is built.
    pub(crate) fn of(builder: Builder) -> Self {
        let (runtime, heard) = (runtime(), Heard::default());
        let builder = builder.store(Forgetful).listener(heard.clone());
        let built = runtime.block_on(builder.build()).unwrap_or_else(|error| panic!("{error}"));
        Self { processor: built.handle().processor().clone(), runtime, heard }
    }

    /// Takes a delivery, which arrives at [`NOW`] unless it says otherwise.
    pub(crate) fn take(&self, delivery: Delivery) -> Verdict {
        let reply = self.runtime.block_on(self.processor.process(delivery));
        let events = std::mem::take(&mut *self.heard.lock());
        if reply.status == 200 { Verdict::Accepted(events) } else { Verdict::Refused(reason(&reply)) }
    }

    /// Why a delivery is not believed. What follows verification is not looked at.
    pub(crate) fn disbelief(&self, delivery: Delivery) -> Option<String> {
        let Verdict::Refused(reason) = self.take(delivery) else { return None };
        DISBELIEF.iter().any(|it| reason.starts_with(it)).then_some(reason)
    }
}

/// Reason codes of what is not believed.
const DISBELIEF: [&str; 6] = ["signature_", "timestamp_", "header_", "expired", "from_the_future", "keys_"];

/// An unsigned delivery at [`NOW`].
pub(crate) fn delivery(source: &str, body: &[u8]) -> Delivery {
    let source = SourceName::new(source).unwrap_or_else(|| panic!("{source} is no name"));
    Delivery::new(source, body.to_vec()).with_received_at(at(NOW))
}

pub(crate) fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

pub(crate) fn runtime() -> Runtime {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.unwrap_or_else(|error| panic!("{error}"))
}

fn reason(reply: &Reply) -> String {
    let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    body["error"].as_str().unwrap_or("no reason").to_owned()
}

/// Hears every event of every source.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<WebhookEvent>>>);

impl Heard {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<WebhookEvent>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WebhookEventListener for Heard {
    fn source(&self) -> &str {
        "*"
    }

    async fn handle(&self, event: &WebhookEvent) -> webhooks::Result {
        self.lock().push(event.clone());
        Ok(())
    }
}

/// Has never seen any event, so that the same one is heard again.
pub(crate) struct Forgetful;

impl WebhookEventStore for Forgetful {
    async fn claim(&self, _: &EventKey, _: &ClaimTerms) -> Result<Claim, StoreError> {
        Ok(Claim::Granted(Grant { token: Token::random(), attempt: 1, settled: Vec::new() }))
    }

    async fn renew(&self, _: &EventKey, _: Token, _: Duration) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn record(&self, _: &EventKey, _: Token, _: &ListenerFate) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn settle(&self, _: &EventKey, _: Token, _: &Settlement) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn forget(&self, _: &EventKey) -> Result<bool, StoreError> {
        Ok(true)
    }
}
