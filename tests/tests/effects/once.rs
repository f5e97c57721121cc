//! However often an event comes, and however its attempts end: its effects are there once, and never in part.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use support::inbox::{InboxFolder, settled};
use support::inside::Post;
use support::log::Log;
use support::redis_server::RedisServer;
use support::{sample, sign};
use webhooks::{
    Claim, ClaimTerms, EventKey, Grant, ListenerFate, RunState, Selection, Settlement, State, StoreError,
    Token, Tx, WebhookEventStore, Webhooks, listeners, webhook_listener,
};

use crate::bank::{Bank, Deeds, built, deliver, event};

/// Grants every claim to everybody.
#[derive(Debug)]
struct NoMemory;

impl WebhookEventStore for NoMemory {
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

#[tokio::test(flavor = "multi_thread")]
async fn without_any_claims_160_attempts_at_20_events_give_20_effects() {
    let bank = Bank::open().await;
    let builders = (0..8).map(|_| bank.builder("").state(bank.pool.clone()).store(NoMemory));
    let receivers: Vec<Webhooks> = join_all(builders.map(built)).await;
    let events: Vec<_> = (0..20).map(|number| event(&format!("evt_{number:02}"), &[])).collect();

    let attempts = receivers.iter().flat_map(|receiver| events.iter().map(|event| deliver(receiver, event)));
    let statuses = join_all(attempts).await;

    assert_eq!(
        (statuses.len(), statuses.iter().filter(|it| **it == 200).count()),
        (160, 160),
        "{statuses:?}"
    );
    let expected: Vec<_> = (0..20).map(|number| format!("evt_{number:02} 1")).collect();
    assert_eq!(bank.ledger(), expected);
    assert_eq!(bank.marks(), "20");
}

#[tokio::test]
async fn what_was_committed_before_counts_as_done() {
    let bank = Bank::open().await;
    let (first, second) = (bank.receiver("").await, bank.receiver("").await);
    assert_eq!(deliver(&first, &event("evt_1", &[])).await, 200);

    let log = Log::capture();
    assert_eq!(deliver(&second, &event("evt_1", &["fail"])).await, 200, "to it, the event is new");

    assert_eq!((bank.deeds.begun("evt_1"), bank.ledger()), (1, vec!["evt_1 1".to_owned()]));
    let told = log.lines_where("message", "its effects were committed before, so that it does not run");
    assert_eq!(told.len(), 1);
    assert_eq!((&told[0]["listener"], &told[0]["event_id"]), (&"credit".into(), &"evt_1".into()));
}

#[tokio::test]
async fn an_error_and_a_panic_leave_nothing() {
    let bank = Bank::open().await;
    let receiver = bank.receiver("").await;
    for how in ["fail", "panic"] {
        let event = event(how, &[how]);
        assert_eq!(deliver(&receiver, &event).await, 500);
        assert_eq!((bank.ledger(), bank.marks()), (Vec::new(), "0".to_owned()), "after {how}");
        assert_eq!(deliver(&receiver, &event).await, 200, "again");
        assert_eq!(bank.ledger(), [format!("{how} 2")]);
        bank.server.query_in(&bank.url, "TRUNCATE ledger, webhook_effects");
    }
}

#[tokio::test]
async fn a_timeout_leaves_nothing() {
    let bank = Bank::open().await;
    let receiver = bank.receiver("inline.timeout = \"400ms\"").await;
    let event = event("evt_1", &["hang"]);
    assert_eq!(deliver(&receiver, &event).await, 500);
    assert!(bank.ledger().is_empty());
    assert_eq!(deliver(&receiver, &event).await, 200, "again");
    assert_eq!(bank.ledger(), ["evt_1 2"]);
}

#[tokio::test]
async fn an_end_in_the_middle_leaves_nothing() {
    let bank = Bank::open().await;
    let receiver = Arc::new(bank.receiver("drain_delay = \"0s\"\nshutdown_grace = \"0s\"").await);
    let delivery = tokio::spawn({
        let receiver = Arc::clone(&receiver);
        async move { deliver(&receiver, &event("evt_1", &["hang"])).await }
    });
    bank.until_sessions(1, "query LIKE 'INSERT INTO ledger%' AND state = 'idle in transaction'").await;
    receiver.handle().drain().await;
    assert_eq!(delivery.await.expect("no panic"), 503);

    let next = bank.receiver("").await;
    assert_eq!(deliver(&next, &event("evt_1", &[])).await, 200);
    assert_eq!(bank.ledger(), ["evt_1 1"]);
}

/// PostgreSQL answers the COMMIT of a transaction that had failed as if all were well.
#[tokio::test]
async fn a_statement_that_failed_unnoticed_is_noticed() {
    let bank = Bank::open().await;
    let receiver = bank.receiver("").await;
    let event = event("evt_1", &["swallow"]);
    assert_eq!(deliver(&receiver, &event).await, 500, "nothing of it was committed");
    assert_eq!(deliver(&receiver, &event).await, 200);
    assert_eq!(bank.ledger(), ["evt_1 2"]);
}

#[tokio::test]
async fn a_listener_that_ends_its_transaction_is_told_not_to() {
    let bank = Bank::open().await;
    let receiver = bank.receiver("").await;
    let log = Log::capture();
    for how in ["COMMIT", "ROLLBACK", "ROLLBACK; BEGIN"] {
        assert_eq!(deliver(&receiver, &event(how, &[how])).await, 500, "{how}");
    }
    let failures = log.lines_where("message", "listener failed");
    assert_eq!(failures.len(), 3);
    for failure in failures {
        let error = failure["error"].as_str().expect("an error");
        assert!(error.starts_with("the listener ended the transaction of its `Tx` itself"), "{error}");
    }
}

#[tokio::test]
async fn a_listener_that_keeps_its_transaction_has_done_nothing() {
    let bank = Bank::open().await;
    let receiver = bank.receiver("").await;
    let event = event("evt_1", &["keep"]);
    assert_eq!(deliver(&receiver, &event).await, 500);
    bank.deeds.gate.open();
    assert_eq!(deliver(&receiver, &event).await, 200);
    assert_eq!(bank.ledger(), ["evt_1 2"]);
}

#[webhook_listener(source = "*", id = "other")]
async fn other(mut tx: Tx<sqlx::Postgres>, deeds: State<Deeds>) -> webhooks::Result {
    let _ = deeds;
    sqlx::query("INSERT INTO ledger (event, attempt) VALUES ('other', 1)").execute(&mut *tx).await?;
    Ok(())
}

#[tokio::test]
async fn each_listener_has_a_row_of_its_own() {
    let bank = Bank::open().await;
    let receiver = built(bank.builder("").state(bank.pool.clone()).listeners(listeners![other])).await;
    assert_eq!(deliver(&receiver, &event("evt_1", &["fail"])).await, 500);
    assert_eq!(bank.ledger(), ["other 1"], "one listener's failure is not the other's");
    assert_eq!(deliver(&receiver, &event("evt_1", &["fail"])).await, 200);
    assert_eq!(bank.ledger(), ["evt_1 2", "other 1"]);
}

/// An id that is not signed is anybody's to write: the content counts too.
#[tokio::test]
async fn an_unsigned_id_with_other_content_is_another_event() {
    let bank = Bank::open().await;
    let github = |body: &str| {
        let headers = sign::github(sample::secret("github"), "the-id", "push", body.as_bytes());
        Post::to("github").headers(headers).body(body)
    };
    let builder = bank.builder("").source("github", |source| source.secret(sample::secret("github")));
    let receiver = built(builder.state(bank.pool.clone()).store(NoMemory)).await;
    for body in ["{}", r#"{"then":[]}"#, "{}"] {
        assert_eq!(deliver(&receiver, &github(body)).await, 200);
    }
    assert_eq!(bank.ledger(), ["the-id 1", "the-id 1"]);
}

#[tokio::test]
async fn claims_in_redis() {
    let (bank, redis) = (Bank::open().await, RedisServer::start());
    let settings = format!("idempotency = {{ provider = \"redis\", redis.url = \"{}\" }}", redis.url());
    let (first, second) = (bank.receiver(&settings).await, bank.receiver(&settings).await);
    let event = event("evt_1", &["fail"]);
    assert_eq!(deliver(&first, &event).await, 500);
    redis.command(&["FLUSHALL"]);
    assert_eq!(deliver(&second, &event).await, 200);
    redis.command(&["FLUSHALL"]);
    assert_eq!(deliver(&first, &event).await, 200, "Redis has forgotten it, the database has not");
    assert_eq!((bank.deeds.begun("evt_1"), bank.ledger()), (2, vec!["evt_1 1".to_owned()]));
}

#[tokio::test]
async fn out_of_the_inbox() {
    for engine in ["sqlite", "postgres"] {
        let (bank, folder) = (Bank::open().await, InboxFolder::new());
        let receiver = bank.receiver(&bank.inbox(engine, &folder)).await;
        let inbox = receiver.inbox().expect("an inbox");
        assert_eq!(deliver(&receiver, &event("evt_1", &["fail", "panic", "swallow"])).await, 200);
        assert_eq!(deliver(&receiver, &event("evt_1", &[])).await, 200);
        settled(&inbox).await;
        assert_eq!((bank.deeds.begun("evt_1"), bank.ledger()), (4, vec!["evt_1 4".to_owned()]), "{engine}");

        // Done is done: to have it done once more, its row has to go.
        let done = || Selection::new().event_id("evt_1").state(RunState::Done);
        assert_eq!(inbox.replay(done()).await.expect("an inbox").runs, 1);
        settled(&inbox).await;
        assert_eq!(bank.ledger().len(), 1);
        bank.server.query_in(&bank.url, "DELETE FROM webhook_effects WHERE event_id = 'evt_1'");
        assert_eq!(inbox.replay(done()).await.expect("an inbox").runs, 1);
        settled(&inbox).await;
        assert_eq!(bank.ledger().len(), 2);
    }
}

/// JSON can say what PostgreSQL cannot write.
#[tokio::test]
async fn an_id_that_postgres_cannot_hold() {
    let bank = Bank::open().await;
    let builder = Webhooks::builder().source("stripe", |source| source.secret(sample::secret("stripe")));
    let receiver =
        built(builder.listeners(listeners![other]).state(bank.deeds.clone()).state(bank.pool.clone())).await;
    for _ in 0..2 {
        assert_eq!(deliver(&receiver, &event("evt_\\u0000", &[])).await, 200);
    }
    assert_eq!(bank.ledger(), ["other 1"]);
    assert_eq!(bank.server.query_in(&bank.url, "SELECT event_id FROM webhook_effects"), "evt_\u{FFFD}");
}

/// Without an id a redelivery is an event of its own; a retry out of the inbox is still the same.
#[tokio::test]
async fn without_an_id_it_is_once_a_delivery() {
    let (bank, folder) = (Bank::open().await, InboxFolder::new());
    let settings = bank.inbox("sqlite", &folder)
        + r#"
        sources.plain.secret = "hush"
        sources.plain.scheme.signature = { header = "X-Signature", algorithm = "hmac-sha256", prefix = "sha256=" }
        sources.plain.scheme.identity = { no_id = true, type_constant = "paid" }"#;
    let log = Log::capture();
    let receiver = built(bank.builder(&settings).state(bank.pool.clone())).await;
    let warned =
        log.lines().iter().any(|it| it["message"].as_str().unwrap_or_default().contains("may have no id"));
    assert!(warned, "startup says so");

    let body = r#"{"then":["fail", "COMMIT"]}"#;
    let plain = Post::to("plain").headers(sign::hmac("hush", "", body.as_bytes())).body(body);
    let inbox = receiver.inbox().expect("an inbox");
    assert_eq!(deliver(&receiver, &plain).await, 200);
    settled(&inbox).await;
    assert_eq!(bank.ledger(), ["none 2"], "committed by the second attempt, and known to the third");
    assert_eq!(deliver(&receiver, &plain).await, 200);
    settled(&inbox).await;
    assert_eq!(bank.ledger(), ["none 1", "none 2"]);
}

/// The parts of a batch are events of their own, ids or not.
#[tokio::test]
async fn without_ids_each_event_of_a_batch_has_its_effects() {
    let source = r#"
        sources.plain.secret = "hush"
        sources.plain.scheme.signature = { header = "X-Signature", algorithm = "hmac-sha256", prefix = "sha256=" }
        sources.plain.scheme.identity = { batch = "$.events", no_id = true, type_constant = "paid" }"#;
    let body = r#"{"events":[{},{},{}]}"#;
    for engine in [None, Some("sqlite"), Some("postgres")] {
        let (bank, folder) = (Bank::open().await, InboxFolder::new());
        let settings = engine.map(|engine| bank.inbox(engine, &folder)).unwrap_or_default() + source;
        let receiver = built(bank.builder(&settings).state(bank.pool.clone())).await;

        let plain = Post::to("plain").headers(sign::hmac("hush", "", body.as_bytes())).body(body);
        assert_eq!(deliver(&receiver, &plain).await, 200);
        if let Some(inbox) = receiver.inbox() {
            settled(&inbox).await;
        }

        assert_eq!(
            (bank.ledger(), bank.marks()),
            (vec!["none 1".to_owned(); 3], "3".to_owned()),
            "{engine:?}"
        );
    }
}
