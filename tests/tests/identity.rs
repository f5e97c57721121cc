//! Which event a delivery is: ids that are none, ids that are not signed, and types that disagree.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use support::inside::{Inside, Post, refusal};
use support::{sample, sign};
use webhooks::{
    Claim, ClaimTerms, EventKey, InMemoryWebhookEventStore, ListenerFate, NoOpSignatureValidator, Settlement,
    StoreError, Token, WebhookEventStore, Webhooks,
};

async fn guarded_github() -> Inside {
    guarded("github").await
}

async fn guarded(provider: &str) -> Inside {
    let builder = sample::sources(&[provider]).source(provider, |source| source.replay_guard());
    Inside::with(builder).await
}

// ---- ids that are not signed -----------------------------------------------------------------------

#[tokio::test]
async fn github_replay_new_id() {
    let inside = Inside::with(sample::sources(&["github"])).await;

    inside.send(sample::of("github", "an-id")).await;
    assert_eq!(inside.report("github").replay_suspected, 0);

    inside.send(sample::of("github", "a-fresh-id")).await;
    assert_eq!(inside.report("github").replay_suspected, 1);
}

#[tokio::test]
async fn github_replay_new_id_is_not_run_under_guard() {
    let inside = guarded_github().await;

    inside.send(sample::of("github", "an-id")).await;
    let replayed = inside.send(sample::of("github", "a-fresh-id")).await;

    assert_eq!(inside.heard_ids(), ["an-id"]);
    assert_eq!(replayed.status, 200);
    assert_eq!(inside.report("github").count("duplicate"), 1);
    assert_eq!(inside.report("github").replay_suspected, 1);
}

/// Both are providers that need not give an id, so that a stranger may take it away.
const OPTIONAL: [(&str, &str); 2] = [("hmac", "X-Idempotency-Key"), ("twilio", "I-Twilio-Idempotency-Token")];

#[tokio::test]
async fn an_id_that_was_taken_away_is_a_suspected_replay() {
    for (provider, header) in OPTIONAL {
        let inside = Inside::with(sample::sources(&[provider])).await;

        inside.send(sample::of(provider, "an-id")).await;
        inside.send(sample::of(provider, "an-id").without(header)).await;

        assert_eq!(inside.heard_ids(), ["an-id", "none"], "{provider}");
        assert_eq!(inside.report(provider).replay_suspected, 1, "{provider}");
    }
}

#[tokio::test]
async fn taking_the_id_away_does_not_pass_the_guard() {
    for (provider, header) in OPTIONAL {
        let inside = guarded(provider).await;

        inside.send(sample::of(provider, "an-id")).await;
        for _ in 0..2 {
            inside.send(sample::of(provider, "an-id").without(header)).await;
        }

        assert_eq!(inside.heard_ids(), ["an-id"], "{provider}");
        let report = inside.report(provider);
        assert_eq!((report.count("duplicate"), report.replay_suspected), (2, 2), "{provider}");
    }
}

#[tokio::test]
async fn what_has_no_id_is_handled_once_under_guard() {
    let inside = guarded("hmac").await;
    let anonymous = sample::of("hmac", "an-id").without("X-Idempotency-Key");

    inside.send(anonymous.clone()).await;
    inside.send(anonymous).await;

    assert_eq!(inside.heard_ids(), ["none"]);
    assert_eq!(inside.report("hmac").replay_suspected, 0);
}

#[tokio::test]
async fn a_redelivery_is_no_replay() {
    for inside in [Inside::with(sample::sources(&["github"])).await, guarded_github().await] {
        inside.send(sample::of("github", "an-id")).await;
        inside.send(sample::of("github", "an-id")).await;

        assert_eq!(inside.heard_ids(), ["an-id"]);
        assert_eq!(inside.report("github").replay_suspected, 0);
    }
}

#[tokio::test]
async fn github_id_poisoning() {
    for inside in [Inside::with(sample::sources(&["github"])).await, guarded_github().await] {
        let (captured, genuine) = (r#"{"ref":"refs/heads/a"}"#, r#"{"ref":"refs/heads/b"}"#);
        inside.send(sample::github("the-first-id", "push", captured)).await;

        inside.send(sample::github("id-x", "push", captured)).await;
        inside.send(sample::github("id-x", "push", genuine)).await;

        let bodies: Vec<_> = inside.heard().iter().map(|event| event.body().clone()).collect();
        assert!(bodies.contains(&genuine.into()), "the replayed body took the genuine one's place");
    }
}

#[tokio::test]
async fn id_header_stripped() {
    let inside = Inside::with(sample::sources(&["github"])).await;

    let reply = inside.send(sample::of("github", "an-id").without("X-GitHub-Delivery")).await;

    assert_eq!(refusal(&reply), "400 id_missing");
    assert!(inside.heard().is_empty());
}

// ---- degenerate_ids --------------------------------------------------------------------------------

/// Counts the keys that are written.
#[derive(Clone, Default)]
struct Counting(Arc<AtomicUsize>);

impl WebhookEventStore for Counting {
    async fn claim(&self, key: &EventKey, terms: &ClaimTerms) -> Result<Claim, StoreError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        InMemoryWebhookEventStore::new().claim(key, terms).await
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
        Ok(false)
    }
}

#[tokio::test]
async fn degenerate_ids() {
    let keys = Counting::default();
    let inside = Inside::with(sample::sources(&["stripe", "github"]).store(keys.clone())).await;
    let huge = format!("\"{}\"", "x".repeat(10 << 10));
    let too_long = format!("\"{}\"", "x".repeat(513));

    for id in ["\"\"", "null", "{}", "[]", "true", &huge, &too_long] {
        let body = format!(r#"{{"id":{id},"type":"payment_intent.succeeded","data":{{"object":{{}}}}}}"#);
        let reply = inside.send(sample::stripe(&body)).await;
        assert_eq!(refusal(&reply), "400 id_unusable", "{id:.20}");
    }
    for id in ["", &"x".repeat(10 << 10)] {
        let reply = inside.send(sample::of("github", id)).await;
        assert_eq!(refusal(&reply), "400 id_unusable", "{id:.20}");
    }

    assert_eq!(keys.0.load(Ordering::Relaxed), 0, "keys were written");
    inside.send(sample::of("stripe", &"x".repeat(512))).await;
    assert_eq!(keys.0.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_number_is_the_same_id_as_its_text() {
    let inside = Inside::with(sample::sources(&["stripe"])).await;
    for id in ["1", "\"1\""] {
        let body = format!(r#"{{"id":{id},"type":"payment_intent.succeeded","data":{{"object":{{}}}}}}"#);
        assert_eq!(inside.send(sample::stripe(&body)).await.status, 200);
    }
    assert_eq!(inside.heard_ids(), ["1"]);
}

#[tokio::test]
async fn an_id_that_is_given_twice_is_none() {
    let inside = Inside::with(sample::sources(&["stripe"])).await;
    let body = r#"{"id":"evt_1","id":"evt_2","type":"payment_intent.succeeded","data":{"object":{}}}"#;

    let reply = inside.send(sample::stripe(body)).await;

    assert_eq!(refusal(&reply), "400 duplicate_key");
}

// ---- one event, once -------------------------------------------------------------------------------

#[tokio::test]
async fn every_provider_is_handled_once() {
    let inside = Inside::with(sample::sources(&sample::PROVIDERS)).await;
    for provider in sample::PROVIDERS {
        for _ in 0..3 {
            let reply = inside.send(sample::of(provider, "evt_1")).await;
            assert_eq!(reply.status, 200, "{provider}");
        }
        let report = inside.report(provider);
        assert_eq!((report.count("handled"), report.count("duplicate")), (1, 2), "{provider}");
    }
    assert_eq!(inside.heard().len(), sample::PROVIDERS.len());
}

#[tokio::test]
async fn the_same_id_from_two_sources_is_two_events() {
    let secrets = [("stripe-eu", "a first secret"), ("stripe-us", "a second secret")];
    let builder = secrets.iter().fold(Webhooks::builder(), |builder, (name, secret)| {
        builder.source(name, |source| source.provider("stripe").secret(*secret))
    });
    let inside = Inside::with(builder).await;

    for (name, secret) in secrets {
        let body = sample::stripe_body("evt_1");
        let headers = sign::stripe(secret, sign::now_unix(), body.as_bytes());
        inside.send(Post::to(name).headers(headers).body(body)).await;
    }

    let sources: Vec<_> = inside.heard().iter().map(|event| event.source().to_owned()).collect();
    assert_eq!(sources, ["stripe-eu", "stripe-us"]);
}

#[tokio::test]
async fn stripe_changed_body_same_id() {
    let inside = Inside::with(sample::sources(&["stripe"])).await;
    let attempt = |pending: u32| {
        let body = sample::stripe_body("evt_1");
        sample::stripe(&body.replacen('{', &format!(r#"{{"pending_webhooks":{pending},"#), 1))
    };

    inside.send(attempt(2)).await;
    let retried = inside.send(attempt(1)).await;

    assert_eq!(retried.status, 200);
    assert_eq!(inside.heard_ids(), ["evt_1"]);
    assert_eq!(inside.report("stripe").count("duplicate"), 1);
}

#[tokio::test]
async fn what_has_no_id_is_handled_each_time_and_counted() {
    let inside = Inside::with(sample::sources(&["hmac"])).await;
    let anonymous = sample::of("hmac", "an-id").without("X-Idempotency-Key");

    inside.send(anonymous.clone()).await;
    inside.send(anonymous).await;

    assert_eq!(inside.heard_ids(), ["none", "none"]);
    assert_eq!(inside.report("hmac").without_id, 2);
}

#[tokio::test]
async fn a_forgotten_event_is_handled_again() {
    let inside = Inside::with(sample::sources(&["github"])).await;
    let handle = inside.webhooks.handle();
    inside.send(sample::of("github", "an-id")).await;

    let body = sample::GITHUB_BODY.as_bytes();
    assert!(handle.processor().forget("github", "an-id", body).await.expect("a store in memory"));
    assert!(!handle.processor().forget("github", "an-id", body).await.expect("a store in memory"));
    inside.send(sample::of("github", "an-id")).await;

    assert_eq!(inside.heard_ids(), ["an-id", "an-id"]);
}

#[tokio::test]
async fn an_unsigned_event_is_forgotten_too() {
    let open = Webhooks::builder().source("github", |source| source.validator("open"));
    let by_validator = Inside::with(open.validator("open", NoOpSignatureValidator)).await;
    let open = Webhooks::builder().source("github", |source| source.validator("none"));
    for inside in [by_validator, Inside::with(open).await] {
        let handle = inside.webhooks.handle();
        inside.send(sample::of("github", "an-id")).await;

        let body = sample::GITHUB_BODY.as_bytes();
        assert!(handle.processor().forget("github", "an-id", body).await.expect("a store in memory"));
        inside.send(sample::of("github", "an-id")).await;

        assert_eq!(inside.heard_ids(), ["an-id", "an-id"]);
    }
}

// ---- types -----------------------------------------------------------------------------------------

#[tokio::test]
async fn type_mismatch() {
    let inside = Inside::with(sample::sources(&["gitlab"])).await;

    let reply = inside.send(sample::gitlab("an-id", "Push Hook", r#"{"object_kind":"issue"}"#)).await;

    assert_eq!(refusal(&reply), "400 type_mismatch");
    assert!(inside.heard().is_empty());
}

#[tokio::test]
async fn types_are_what_the_providers_call_them() {
    let inside = Inside::with(sample::sources(&sample::PROVIDERS)).await;
    for provider in sample::PROVIDERS {
        inside.send(sample::of(provider, "evt_1")).await;
    }
    inside.send(sample::github("evt_2", "issues", r#"{"action":"opened"}"#)).await;
    let expected = [
        "payment_intent.succeeded",
        "push",
        "user.created",
        "app_mention",
        "orders/create",
        "Push Hook",
        "payment.succeeded",
        "received",
        "issues.opened",
    ];
    assert_eq!(inside.heard_types(), expected);
}

#[tokio::test]
async fn a_type_that_is_missing_or_no_text_is_refused() {
    let inside = Inside::with(sample::sources(&["stripe", "github"])).await;
    let without = inside.send(sample::of("github", "an-id").without("X-GitHub-Event")).await;
    assert_eq!(refusal(&without), "400 type_missing");
    for kind in ["", r#","type":null"#, r#","type":{}"#, r#","type":"""#] {
        let body = format!(r#"{{"id":"evt_1"{kind},"data":{{"object":{{}}}}}}"#);
        let reply = inside.send(sample::stripe(&body)).await;
        assert_eq!(refusal(&reply), "400 type_missing", "{kind}");
    }
}
