//! The Redis store: what it finds at startup, what it writes, what it survives.

use std::time::Duration;

use support::inside::{Inside, Post};
use support::log::Log;
use support::process::PATIENCE;
use support::redis_server::{Options, RedisServer};
use support::{free_port, sample, sign};
use tokio::time::timeout;
use webhooks::{
    Builder, Claim, ClaimTerms, Error, EventKey, Fate, ListenerFate, RedisWebhookEventStore, Settled,
    Settlement, SourceName, Token, WebhookEventStore, Webhooks,
};

const DAY: Duration = Duration::from_secs(86_400);

fn builder(url: &str) -> Builder {
    let settings = format!("[idempotency]\nprovider = \"redis\"\nredis.url = \"{url}\"");
    let builder = Webhooks::builder().settings(settings.parse().expect("settings"));
    builder.source("stripe", |source| source.secret(sample::secret("stripe")))
}

async fn problem(url: &str) -> String {
    let listener = support::inside::Recorder::new("*");
    let error: Error = builder(url).listener(listener).build().await.expect_err("it cannot start");
    error.to_string()
}

fn event(id: &str) -> Post {
    let body = serde_json::json!({"id": id, "type": "invoice.paid", "data": {"object": {}}}).to_string();
    Post::to("stripe")
        .headers(sign::stripe(sample::secret("stripe"), sign::now_unix(), body.as_bytes()))
        .body(body)
}

fn key(id: &str) -> EventKey {
    EventKey::new(&SourceName::new("source").expect("a name"), &[id.as_bytes()])
}

async fn claim(store: &RedisWebhookEventStore, id: &str) -> Token {
    let terms = ClaimTerms::new(Duration::from_secs(30), DAY);
    match store.claim(&key(id), &terms).await.expect("the server answers") {
        Claim::Granted(grant) => grant.token,
        other => panic!("{other:?}"),
    }
}

async fn complete(store: &RedisWebhookEventStore, id: &str, token: Token) -> bool {
    let settlement = Settlement { state: Settled::Completed, settled: Vec::new(), retention: DAY };
    store.settle(&key(id), token, &settlement).await.expect("the server answers")
}

#[tokio::test]
async fn an_unreachable_server_is_a_startup_error_that_names_it() {
    let port = free_port();
    let report = problem(&format!("redis://ledger:hunter2@127.0.0.1:{port}/3")).await;
    let first = format!("1. the idempotency store cannot be reached at redis://127.0.0.1:{port}/3: ");
    assert!(report.contains(&first), "{report}");
    assert!(report.ends_with("help: start it, or set `webhooks.idempotency.redis.url`"), "{report}");
    assert!(!report.contains("hunter2") && !report.contains("ledger"), "{report}");
}

#[tokio::test]
async fn a_refused_password_is_a_startup_error_without_it() {
    let server = RedisServer::start();
    assert_eq!(server.command(&["CONFIG", "SET", "requirepass", "right"]), "+OK");
    let report = problem(&server.url().replace("redis://", "redis://:hunter2@")).await;
    assert!(report.contains("cannot be reached at redis://127.0.0.1:"), "{report}");
    assert!(!report.contains("hunter2"), "{report}");
}

/// Which of the two depends on the features that the whole workspace is built with.
#[tokio::test]
async fn tls_is_tried_or_the_missing_feature_is_named() {
    let url = format!("rediss://127.0.0.1:{}/0", free_port());
    let report = problem(&url).await;
    let tried = report.contains(&format!("cannot be reached at {url}"));
    assert!(tried || report.contains("features = [\"redis-tls\"]"), "{report}");
}

#[tokio::test]
async fn an_evicting_server_is_warned_of() {
    for (policy, warned) in [("allkeys-lru", true), ("volatile-ttl", true), ("noeviction", false)] {
        let log = Log::capture();
        let server = Options::redis().max_memory("64mb", policy).start();
        Inside::with(builder(&server.url())).await;
        let warnings = log.lines_where("level", "WARN");
        let named = warnings.iter().any(|it| {
            it["message"].as_str().is_some_and(|text| text.contains(&format!("`maxmemory-policy {policy}`")))
        });
        assert_eq!(named, warned, "{policy}: {warnings:?}");
    }
}

#[tokio::test]
async fn a_server_that_goes_and_comes_back_is_found_again() {
    let mut server = RedisServer::start();
    let inside = Inside::with(builder(&server.url())).await;
    assert_eq!(inside.send(event("evt_1")).await.status, 200);
    server.kill9();
    let refused = inside.send(event("evt_2")).await;
    assert_eq!((refused.status.as_u16(), &*support::inside::reason(&refused)), (503, "store_unavailable"));
    assert!(refused.headers.contains_key("retry-after"));
    server.restart();
    assert_eq!(inside.send(event("evt_2")).await.status, 200);
    assert_eq!(inside.heard_ids(), ["evt_1", "evt_2"]);
}

#[tokio::test]
async fn lost_scripts_are_sent_again() {
    let server = RedisServer::start();
    let store = RedisWebhookEventStore::connect(&server.url()).await.expect("the server was just started");
    let token = claim(&store, "1").await;
    for round in 0..3 {
        assert_eq!(server.command(&["SCRIPT", "FLUSH"]), "+OK");
        assert!(store.renew(&key("1"), token, Duration::from_secs(30)).await.expect("an answer"), "{round}");
    }
    assert_eq!(server.command(&["SCRIPT", "FLUSH"]), "+OK");
    assert!(complete(&store, "1", token).await);
}

#[tokio::test]
async fn a_fresh_claim_is_one_command_and_settling_another() {
    let server = RedisServer::start();
    let store = RedisWebhookEventStore::connect(&server.url()).await.expect("the server was just started");
    let token = claim(&store, "warm-up").await;
    complete(&store, "warm-up", token).await;
    server.command(&["CONFIG", "RESETSTAT"]);
    let token = claim(&store, "1").await;
    let calls = server.command(&["INFO", "commandstats"]);
    assert!(calls.contains("cmdstat_set:calls=1,") && !calls.contains("eval"), "{calls}");
    complete(&store, "1", token).await;
    let calls = server.command(&["INFO", "commandstats"]);
    assert!(calls.contains("cmdstat_evalsha:calls=1,") && !calls.contains("cmdstat_eval:"), "{calls}");
}

#[tokio::test]
async fn key_injection() {
    let server = RedisServer::start();
    let inside = Inside::with(builder(&server.url())).await;
    let ids =
        ["a", "{a}", "}{a", "a}", "a:b", "a\nb", "a\r\nSET x y", "wh1:stripe:a", "*", "a\u{0}b", "ä", " a"];
    for id in ids {
        assert_eq!(inside.send(event(id)).await.status, 200, "{id:?}");
        assert_eq!(inside.send(event(id)).await.status, 200, "{id:?}");
    }
    assert_eq!(inside.heard_ids(), ids, "each id is an event of its own, handled once");
    let keys = server.command(&["KEYS", "*"]);
    let keys: Vec<_> = keys.lines().map(str::trim).filter(|line| !line.starts_with(['*', '$'])).collect();
    assert_eq!(keys.len(), ids.len());
    for key in keys {
        let digest = key.strip_prefix("wh1:stripe:").unwrap_or_else(|| panic!("{key}"));
        assert!(digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{key}");
    }
}

/// A node of a cluster refuses a script that touches another slot than its key's.
#[tokio::test]
async fn one_slot_per_event() {
    let server = Options::redis().option("cluster-enabled", "yes").start();
    let slots: Vec<String> = (0..16_384).map(|slot| slot.to_string()).collect();
    let assign: Vec<&str> =
        ["CLUSTER", "ADDSLOTS"].into_iter().chain(slots.iter().map(String::as_str)).collect();
    assert_eq!(server.command(&assign), "+OK");
    let whole = async {
        while !server.command(&["CLUSTER", "INFO"]).contains("cluster_state:ok") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, whole).await.expect("a cluster of one");
    let store = RedisWebhookEventStore::connect(&server.url()).await.expect("the server was just started");
    for id in ["{a}", "b", "}"] {
        let token = claim(&store, id).await;
        let fate = ListenerFate { listener: "{c}".to_owned(), fate: Fate::Done };
        assert!(store.record(&key(id), token, &fate).await.expect("an answer"));
        assert!(store.renew(&key(id), token, Duration::from_secs(30)).await.expect("an answer"));
        assert!(complete(&store, id, token).await);
        assert!(store.forget(&key(id)).await.expect("an answer"));
    }
}

#[tokio::test]
async fn a_record_of_an_unknown_version_is_busy_and_never_forgotten() {
    let server = RedisServer::start();
    let store = RedisWebhookEventStore::connect(&server.url()).await.expect("the server was just started");
    for newer in ["2c", "2l0123|1|1|1|1|", "1x", "1lzz|1|1|1|1|", ""] {
        server.command(&["SET", &key("1").to_string(), newer]);
        let terms = ClaimTerms::new(Duration::from_secs(30), DAY);
        let claim = store.claim(&key("1"), &terms).await.expect("an answer");
        assert!(matches!(claim, Claim::Busy { .. }), "{newer}: {claim:?}");
        assert!(!store.forget(&key("1")).await.expect("an answer"), "{newer}");
        assert!(!complete(&store, "1", Token::random()).await, "{newer}");
    }
}
