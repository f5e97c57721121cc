//! What the cases have in common.

use std::time::Duration;

use support::http::Response;
use support::process::PATIENCE;
use support::redis_server::RedisServer;
use support::sample;
use support::scripted::{Count, listener};
use tokio::time::timeout;
use webhooks::{
    Builder, Claim, ClaimTerms, EventKey, ListenerFate, RedisWebhookEventStore, Settled, Settlement,
    SourceName, StoreError, Token, WebhookEventListener, WebhookEventStore, Webhooks,
};

const DAY: Duration = Duration::from_secs(86_400);

pub(crate) fn status(answer: &std::io::Result<Response>) -> u16 {
    answer.as_ref().expect("an answer").status
}

/// What the server has recorded of the only event there is.
pub(crate) fn recorded(server: &RedisServer) -> String {
    server.command(&["EVAL", "return redis.call('GET', redis.call('KEYS', '*')[1])", "0"])
}

/// Webhooks with their claims in the server at `url`.
pub(crate) async fn with_store(url: &str, lease: &str, listener: impl WebhookEventListener) -> Webhooks {
    with(connect(url).await, lease, listener).await
}

pub(crate) async fn with(
    store: impl WebhookEventStore,
    lease: &str,
    listener: impl WebhookEventListener,
) -> Webhooks {
    assembled(store, lease, |builder| builder.listener(listener)).await
}

pub(crate) async fn assembled(
    store: impl WebhookEventStore,
    lease: &str,
    with_listeners: impl FnOnce(Builder) -> Builder,
) -> Webhooks {
    let settings = format!("idempotency.lease = \"{lease}\"").parse().expect("settings");
    let secret = sample::secret("stripe");
    let builder = Webhooks::builder().settings(settings).source("stripe", |it| it.secret(secret));
    with_listeners(builder.store(store)).build().await.unwrap_or_else(|error| panic!("{error}"))
}

/// A listener that succeeds and is counted.
pub(crate) fn counting(runs: &Count) -> impl WebhookEventListener + use<> {
    let runs = runs.clone();
    listener("work", move |_| {
        runs.add();
        async { Ok(()) }
    })
}

pub(crate) async fn deliver(webhooks: &Webhooks, id: &str) -> webhooks::Reply {
    webhooks.process(sample::of("stripe", id).into_request()).await
}

/// Delivers again and again until the answer is 200.
pub(crate) async fn deliver_until_taken(webhooks: &Webhooks, id: &str) {
    let taken = async {
        while deliver(webhooks, id).await.status != 200 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, taken).await.expect("the event is handled at last");
}

pub(crate) async fn connect(url: &str) -> RedisWebhookEventStore {
    RedisWebhookEventStore::connect(url).await.expect("the server was just started")
}

pub(crate) fn key(id: &str) -> EventKey {
    EventKey::new(&SourceName::new("source").expect("a name"), &[id.as_bytes()])
}

/// Longer than any test takes.
pub(crate) fn lease() -> Duration {
    Duration::from_secs(600)
}

pub(crate) fn terms() -> ClaimTerms {
    ClaimTerms::new(lease(), DAY)
}

pub(crate) async fn claim(store: &RedisWebhookEventStore, id: &str) -> Result<Claim, StoreError> {
    store.claim(&key(id), &terms()).await
}

pub(crate) async fn token(store: &RedisWebhookEventStore, id: &str) -> Token {
    match claim(store, id).await {
        Ok(Claim::Granted(grant)) => grant.token,
        other => panic!("{other:?} where a grant was due"),
    }
}

pub(crate) fn completed() -> Settlement {
    Settlement { state: Settled::Completed, settled: Vec::new(), retention: DAY }
}

pub(crate) fn released(settled: Vec<ListenerFate>) -> Settlement {
    Settlement { state: Settled::Released, settled, retention: DAY }
}
