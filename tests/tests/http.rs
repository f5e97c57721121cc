//! What is answered: a status for each outcome, its headers, its body, and a log line to find it by.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use support::inside::{Inside, Post, Recorder, reason};
use support::log::Log;
use support::sample;
use webhooks::{
    Claim, ClaimTerms, EventKey, Failure, Grant, InMemoryWebhookEventStore, ListenerFate, Reply, Settings,
    Settlement, StoreError, Token, WebhookEventStore, Webhooks,
};

/// GitHub's sample, whose listener answers so.
async fn reply_of(answer: fn() -> webhooks::Result) -> Reply {
    let inside = Inside::answering(sample::sources(&["github"]), move |_| answer()).await;
    inside.send(sample::of("github", "an-id")).await
}

#[track_caller]
fn assert_ok_and_empty(reply: &Reply) {
    assert_eq!((reply.status, &reply.body), (StatusCode::OK, &Bytes::new()));
    assert!(!reply.headers.contains_key("content-type"));
    assert_eq!(delivery_id(reply).len(), 32);
}

/// Reason code and delivery id as JSON, and nothing else.
#[track_caller]
fn assert_refused(reply: &Reply, status: u16, why: &str) {
    let body = format!(r#"{{"error":"{why}","delivery":"{}"}}"#, delivery_id(reply));
    assert_eq!((reply.status.as_u16(), &reply.body), (status, &Bytes::from(body)));
    assert_eq!(reply.headers["content-type"], "application/json");
    assert_eq!(reply.headers["x-content-type-options"], "nosniff");
    assert_eq!(reply.headers.contains_key("retry-after"), status == 503);
}

fn delivery_id(reply: &Reply) -> &str {
    reply.headers["webhook-delivery-id"].to_str().expect("text")
}

// ---- 200 -------------------------------------------------------------------------------------------

#[tokio::test]
async fn handled_and_duplicate_are_200_and_empty() {
    let inside = Inside::with(sample::sources(&["github"])).await;
    assert_ok_and_empty(&inside.send(sample::of("github", "an-id")).await);
    assert_ok_and_empty(&inside.send(sample::of("github", "an-id")).await);
    assert_eq!(inside.report("github").outcomes, [("handled", 1), ("duplicate", 1)]);
}

#[tokio::test]
async fn ignored_is_200_and_empty() {
    let built = sample::sources(&["github", "stripe"]).listener(Recorder::new("stripe")).build().await;
    let webhooks = built.expect("it starts");
    assert_ok_and_empty(&webhooks.process(sample::of("github", "an-id").into_request()).await);
}

#[tokio::test]
async fn dead_is_200_and_empty() {
    assert_ok_and_empty(&reply_of(|| Err(Failure::permanent("no such customer"))).await);
}

// ---- what a listener wants -------------------------------------------------------------------------

#[tokio::test]
async fn a_retry_is_500() {
    assert_refused(&reply_of(|| Err("the ledger is closed".into())).await, 500, "retry");
}

#[tokio::test]
async fn a_retry_at_a_time_is_503_and_retry_after() {
    let reply = reply_of(|| Err(Failure::retry_after(Duration::from_millis(89_001), "closed"))).await;
    assert_refused(&reply, 503, "retry");
    assert_eq!(reply.headers["retry-after"], "90", "rounded up: earlier is too early");
}

#[tokio::test]
async fn no_text_of_an_error_leaves_the_house() {
    let reply = reply_of(|| Err("password=hunter2".into())).await;
    assert!(!reply.body.windows(7).any(|window| window == b"hunter2"));
}

// ---- refusals --------------------------------------------------------------------------------------

#[tokio::test]
async fn a_bad_signature_is_401() {
    let inside = Inside::with(sample::sources(&["github"])).await;
    let genuine = sample::of("github", "an-id");
    let send = |post: Post| inside.send(post);

    let missing = send(genuine.clone().without("X-Hub-Signature-256")).await;
    assert_refused(&missing, 401, "signature_missing");
    let malformed = send(genuine.clone().with("X-Hub-Signature-256", "sha256=xyz")).await;
    assert_refused(&malformed, 401, "signature_malformed");
    let wrong = send(genuine.body("{}")).await;
    assert_refused(&wrong, 401, "signature_mismatch");
}

#[tokio::test]
async fn verified_but_not_understood_is_400() {
    let inside = Inside::with(sample::sources(&["github"])).await;
    assert_refused(&inside.send(sample::github("an-id", "push", "no JSON")).await, 400, "body_malformed");
}

#[tokio::test]
async fn an_unknown_source_is_404() {
    let inside = Inside::with(sample::sources(&["github"])).await;
    assert_refused(&inside.send(Post::to("strpe")).await, 404, "unknown_source");
}

#[tokio::test]
async fn another_method_is_405_with_allow() {
    let inside = Inside::with(sample::sources(&["github"])).await;
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::OPTIONS, Method::HEAD] {
        let reply = inside.send(sample::of("github", "an-id").method(method)).await;
        assert_refused(&reply, 405, "method_not_allowed");
        assert_eq!(reply.headers["allow"], "POST");
    }
}

#[tokio::test]
async fn a_large_body_is_413() {
    let secret = sample::secret("github");
    let small = Webhooks::builder().source("github", |source| source.secret(secret).max_body(100));
    let inside = Inside::with(small).await;
    let of_length = |length| sample::github("an-id", "push", &format!("{:length$}", "{}"));

    assert_ok_and_empty(&inside.send(of_length(100)).await);
    assert_refused(&inside.send(of_length(101)).await, 413, "body_too_large");
    let declared = of_length(100).header("content-length", "101");
    assert_refused(&inside.send(declared).await, 413, "body_too_large");
}

#[tokio::test]
async fn the_limit_is_a_mebibyte_unless_the_provider_needs_more() {
    let inside = Inside::with(sample::sources(&["github", "stripe"])).await;
    let event = sample::stripe_body("evt_1");
    let body = event.clone() + &" ".repeat((1 << 20) - event.len());
    assert_ok_and_empty(&inside.send(sample::stripe(&body)).await);
    assert_refused(&inside.send(sample::stripe(&(body.clone() + " "))).await, 413, "body_too_large");
    assert_ok_and_empty(&inside.send(sample::github("an-id", "push", &(body + " "))).await);
}

#[tokio::test]
async fn a_content_encoding_is_415() {
    let inside = Inside::with(sample::sources(&["github"])).await;
    let reply = inside.send(sample::of("github", "an-id").header("content-encoding", "gzip")).await;
    assert_refused(&reply, 415, "content_encoding");
}

// ---- 503 -------------------------------------------------------------------------------------------

/// A store that cannot give a claim.
struct Unwilling(fn() -> Result<Claim, StoreError>);

impl WebhookEventStore for Unwilling {
    async fn claim(&self, _: &EventKey, _: &ClaimTerms) -> Result<Claim, StoreError> {
        (self.0)()
    }

    async fn renew(&self, _: &EventKey, _: Token, _: Duration) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn record(&self, _: &EventKey, _: Token, _: &ListenerFate) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn settle(&self, _: &EventKey, _: Token, _: &Settlement) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn forget(&self, _: &EventKey) -> Result<bool, StoreError> {
        Ok(false)
    }
}

async fn reply_with_store(claim: fn() -> Result<Claim, StoreError>) -> Reply {
    let inside = Inside::with(sample::sources(&["github"]).store(Unwilling(claim))).await;
    let reply = inside.send(sample::of("github", "an-id")).await;
    assert!(inside.heard().is_empty() || reason(&reply) == "lease_lost", "something ran");
    reply
}

#[tokio::test]
async fn what_the_store_cannot_do_now_is_503_with_retry_after() {
    let busy = reply_with_store(|| Ok(Claim::Busy { retry_after: Duration::from_secs(7) })).await;
    assert_refused(&busy, 503, "busy");
    assert_eq!(busy.headers["retry-after"], "7");
    let unreachable = reply_with_store(|| Err(StoreError::unavailable("down"))).await;
    assert_refused(&unreachable, 503, "store_unavailable");
    let full = reply_with_store(|| Err(StoreError::Full)).await;
    assert_refused(&full, 503, "store_full");
    let lost = || Ok(Claim::Granted(Grant { token: Token::random(), attempt: 1, settled: Vec::new() }));
    assert_refused(&reply_with_store(lost).await, 503, "lease_lost");
}

#[tokio::test]
async fn a_full_store_in_memory_is_503() {
    let store = InMemoryWebhookEventStore::new().with_max_keys(1);
    let inside = Inside::with(sample::sources(&["github"]).store(store)).await;
    inside.send(sample::of("github", "an-id")).await;
    assert_refused(&inside.send(sample::of("github", "another-id")).await, 503, "store_full");
}

#[tokio::test]
async fn disabled_is_503_for_whatever_comes() {
    let settings: Settings = "enabled = false".parse().expect("TOML");
    let webhooks = Webhooks::builder().settings(settings).build().await.expect("nothing to assemble");
    for post in [sample::of("github", "an-id"), Post::to("unknown")] {
        assert_refused(&webhooks.process(post.into_request()).await, 503, "disabled");
    }
}

#[tokio::test(start_paused = true)]
async fn shutting_down_is_503() {
    let inside = Inside::with(sample::sources(&["github"])).await;
    assert_ok_and_empty(&inside.send(sample::of("github", "an-id")).await);
    inside.webhooks.handle().drain().await;
    assert_refused(&inside.send(sample::of("github", "an-id")).await, 503, "shutting_down");
}

// ---- the log line ----------------------------------------------------------------------------------

#[tokio::test]
async fn the_delivery_id_finds_the_log_line() {
    let log = Log::capture();
    let answers = [("handled", Ok(())), ("retry", Err("closed")), ("dead", Err("permanent"))];
    for (outcome, answer) in answers {
        let inside = Inside::answering(sample::sources(&["github"]), move |_| match answer {
            Err("permanent") => Err(Failure::permanent("no such customer")),
            other => other.map_err(Failure::from),
        });
        let reply = inside.await.send(sample::of("github", "an-id")).await;

        let lines = log.lines_where("delivery", delivery_id(&reply));
        let line = lines.iter().find(|line| line["outcome"] == outcome).expect("a line of that outcome");
        assert_eq!(line["source"], "github");
        assert_eq!(line["status"], reply.status.as_u16());
    }
}

#[tokio::test]
async fn the_delivery_id_finds_the_line_of_a_refusal() {
    let log = Log::capture();
    let inside = Inside::with(sample::sources(&["github"])).await;

    let reply = inside.send(Post::to("github")).await;

    let lines = log.lines_where("delivery", delivery_id(&reply));
    assert_eq!(lines.len(), 1);
    assert_eq!((&lines[0]["reason"], &lines[0]["status"]), (&"signature_missing".into(), &401.into()));
}

#[tokio::test]
async fn every_delivery_has_an_id_of_its_own() {
    let inside = Inside::with(sample::sources(&["github"])).await;
    let first = inside.send(sample::of("github", "an-id")).await;
    let second = inside.send(sample::of("github", "an-id")).await;
    assert_ne!(delivery_id(&first), delivery_id(&second));
    assert_eq!(inside.heard()[0].delivery_id().to_string(), delivery_id(&first));
}
