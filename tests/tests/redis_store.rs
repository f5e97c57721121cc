//! The Redis store: what it finds at startup, what it writes, what it survives.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use support::certificate::Certificate;
use support::http::Request;
use support::inside::{Inside, Post};
use support::log::Log;
use support::process::{PATIENCE, Program};
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

fn body(id: &str) -> String {
    serde_json::json!({"id": id, "type": "invoice.paid", "data": {"object": {}}}).to_string()
}

fn event(id: &str) -> Post {
    let body = body(id);
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

#[tokio::test]
async fn tls_that_nobody_speaks_is_a_startup_error() {
    let server = RedisServer::start();
    for scheme in ["rediss", "valkeys"] {
        let url = server.url().replace("redis://", &format!("{scheme}://ledger:hunter2@"));
        let report = problem(&url).await;
        let address = server.url().replace("redis://", &format!("{scheme}://"));
        assert!(report.contains(&format!("cannot be reached at {address}: ")), "{report}");
        assert!(!report.contains("hunter2"), "{report}");
    }
}

/// A receiver of its own, since whom to trust is said in its environment.
#[tokio::test]
async fn tls() {
    let certificate = Certificate::for_localhost();
    let port = free_port();
    let server = Options::redis().tls(port, &certificate).start();
    let settings = certificate.authority().with_file_name("webhooks.toml");
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let text = format!(
        "[webhooks]\nhttp.bind = \"{address}\"\nsources.stripe.secret = \"{}\"\n\
         [webhooks.idempotency]\nprovider = \"redis\"\nredis.url = \"rediss://localhost:{port}/0\"\n",
        sample::secret("stripe")
    );
    fs::write(&settings, text).expect("a settings file");
    let probe = Program::built("probe")
        .env("WEBHOOKS_CONFIG", &settings)
        .env("SSL_CERT_FILE", certificate.authority())
        .start();
    probe.wait_until_listening(address);
    let body = body("evt_1");
    let headers = sign::stripe(sample::secret("stripe"), sign::now_unix(), body.as_bytes());
    let answer = Request::post("/webhooks/stripe").headers(headers).body(body).send(address).await;
    assert_eq!(answer.expect("an answer").status, 200);
    assert_eq!(server.command(&["DBSIZE"]), ":1");

    let distrusting = Program::built("probe").env("WEBHOOKS_CONFIG", &settings).start();
    distrusting.wait(PATIENCE);
    let output = distrusting.output();
    assert!(output.contains(&format!("cannot be reached at rediss://localhost:{port}/0")), "{output}");
    assert!(output.contains("certificate"), "{output}");
}

#[tokio::test]
async fn a_replica_is_refused_at_startup() {
    let (primary, replica) = (RedisServer::start(), RedisServer::start());
    let port = primary.address().port().to_string();
    assert_eq!(replica.command(&["REPLICAOF", "127.0.0.1", &port]), "+OK");
    let report = problem(&replica.url()).await;
    let expected = format!("1. the idempotency store at {} cannot be used: it is a replica", replica.url());
    assert!(report.contains(&expected), "{report}");
    assert!(report.contains("help: give the address of the primary"), "{report}");
}

/// What `CLUSTER INFO` says comes true.
async fn cluster(server: &RedisServer, saying: &str) {
    let said = async {
        while !server.command(&["CLUSTER", "INFO"]).lines().any(|line| line == saying) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, said).await.unwrap_or_else(|_| panic!("{saying}"));
}

fn assign(server: &RedisServer, slots: std::ops::Range<u16>) {
    let slots: Vec<String> = slots.map(|slot| slot.to_string()).collect();
    let assign: Vec<&str> =
        ["CLUSTER", "ADDSLOTS"].into_iter().chain(slots.iter().map(String::as_str)).collect();
    assert_eq!(server.command(&assign), "+OK");
}

#[tokio::test]
async fn a_node_of_a_cluster_is_refused_at_startup() {
    let node = || Options::redis().option("cluster-enabled", "yes").start();
    let (one, other) = (node(), node());
    assign(&one, 0..8_192);
    assign(&other, 8_192..16_384);
    let port = other.address().port().to_string();
    assert_eq!(one.command(&["CLUSTER", "MEET", "127.0.0.1", &port]), "+OK");
    cluster(&one, "cluster_size:2").await;
    let report = problem(&one.url()).await;
    assert!(report.contains("cannot be used: it is a node of a cluster of 2"), "{report}");
    assert!(report.contains("help: give a single server"), "{report}");
}

/// The kernel looks after the connection while nothing happens on it.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_idle_connection_is_looked_after() {
    /// In `/proc/net/tcp`: a connection that is established, and for which a timer other than for sending again runs.
    const ESTABLISHED: &str = "01";
    const KEPT_ALIVE: &str = "02:";
    let server = RedisServer::start();
    let _store = RedisWebhookEventStore::connect(&server.url()).await.expect("the server was just started");
    let remote = format!("0100007F:{:04X}", server.address().port());
    let table = fs::read_to_string("/proc/net/tcp").expect("a list of connections");
    let timers: Vec<_> = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|fields| fields[2] == remote && fields[3] == ESTABLISHED)
        .map(|fields| fields[5].to_owned())
        .collect();
    assert!(!timers.is_empty() && timers.iter().all(|it| it.starts_with(KEPT_ALIVE)), "{timers:?}");
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

/// How often each of these was called, from within scripts too.
fn calls<const N: usize>(server: &RedisServer, commands: [&str; N]) -> [u32; N] {
    let all = server.command(&["INFO", "commandstats"]);
    commands.map(|command| {
        let count = all.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
        count.and_then(|it| it.split(',').next()).map_or(0, |it| it.parse().expect("a number"))
    })
}

async fn claimed(store: &RedisWebhookEventStore, id: &str) -> Claim {
    store.claim(&key(id), &ClaimTerms::new(Duration::from_secs(30), DAY)).await.expect("the server answers")
}

async fn one_round_trip_each(server: Options) {
    let server = server.start();
    let store = RedisWebhookEventStore::connect(&server.url()).await.expect("the server was just started");
    let token = claim(&store, "warm-up").await;
    claimed(&store, "warm-up").await;
    complete(&store, "warm-up", token).await;
    server.command(&["CONFIG", "RESETSTAT"]);

    let token = claim(&store, "1").await;
    assert_eq!(calls(&server, ["set", "evalsha"]), [1, 0]);
    assert!(matches!(claimed(&store, "1").await, Claim::Busy { .. }));
    assert_eq!(calls(&server, ["set", "evalsha"]), [2, 1], "who holds it has to be looked at");
    server.command(&["CONFIG", "RESETSTAT"]);
    complete(&store, "1", token).await;
    assert_eq!(calls(&server, ["evalsha", "eval"]), [1, 0]);
    server.command(&["CONFIG", "RESETSTAT"]);
    assert_eq!(claimed(&store, "1").await, Claim::Completed);
    assert_eq!(calls(&server, ["set", "evalsha"]), [1, 0]);
}

#[tokio::test]
async fn claiming_and_settling_are_one_round_trip_each() {
    one_round_trip_each(Options::redis()).await;
}

#[tokio::test]
async fn claiming_and_settling_are_one_round_trip_each_on_valkey() {
    if let Some(server) = Options::valkey() {
        one_round_trip_each(server).await;
    }
}

#[tokio::test]
async fn before_redis_7_every_step_is_one_script() {
    let Some(server) = Options::redis_6_2() else { return };
    let server = server.start();
    let store = RedisWebhookEventStore::connect(&server.url()).await.expect("the server was just started");
    let token = claim(&store, "warm-up").await;
    complete(&store, "warm-up", token).await;
    server.command(&["CONFIG", "RESETSTAT"]);
    let token = claim(&store, "1").await;
    assert!(matches!(claimed(&store, "1").await, Claim::Busy { .. }));
    assert_eq!(calls(&server, ["set", "evalsha", "eval"]), [1, 2, 0], "the script sets");
    complete(&store, "1", token).await;
    assert_eq!(claimed(&store, "1").await, Claim::Completed);
    assert_eq!(calls(&server, ["evalsha", "eval"]), [4, 0]);
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
    assign(&server, 0..16_384);
    cluster(&server, "cluster_state:ok").await;
    let store = RedisWebhookEventStore::connect(&server.url()).await.expect("the server was just started");
    assert_eq!(store.check().await.expect("a cluster of one has every key"), [""; 0]);
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
    for newer in ["2c", "2l0123|1|1|1|1|", "1x", "1x0123|1|1|1|1|", "1cxyz", "1lzz|1|1|1|1|", ""] {
        server.command(&["SET", &key("1").to_string(), newer]);
        let terms = ClaimTerms::new(Duration::from_secs(30), DAY);
        let claim = store.claim(&key("1"), &terms).await.expect("an answer");
        assert!(matches!(claim, Claim::Busy { .. }), "{newer}: {claim:?}");
        assert!(!store.forget(&key("1")).await.expect("an answer"), "{newer}");
        assert!(!complete(&store, "1", Token::random()).await, "{newer}");
    }
}
