//! Metrics: each of them is documented, named by nobody but the configuration, and right.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use support::http::{Connection, Request};
use support::inbox::{InboxFolder, until};
use support::inside::{Inside, Post, Recorder, refusal};
use support::log::Log;
use support::metrics::Metrics;
use support::sample;
use support::scripted::{Count, Gate, listener};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use webhooks::{
    Claim, ClaimTerms, Clock, EventKey, Failure, Grant, ListenerFate, Settings, Settlement, StoreError,
    Token, WebhookEventStore, Webhooks,
};

const DAY: Duration = Duration::from_secs(86_400);

fn settings(toml: &str) -> Settings {
    toml.parse().expect("settings")
}

/// The names in the manual's table.
fn documented() -> BTreeSet<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../webhooks/src/docs/observability.md");
    let page = std::fs::read_to_string(page).expect("the chapter");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `webhooks_"));
    rows.map(|row| format!("webhooks_{}", row.split('`').next().expect("a name"))).collect()
}

#[tokio::test]
async fn every_metric_that_is_registered_is_documented_and_the_other_way_round() {
    let metrics = Metrics::collect();
    let folder = InboxFolder::new();
    let inside = Inside::with(folder.sources(&["github"])).await;
    assert_eq!(inside.send(sample::of("github", "an-id")).await.status, 200);
    until(async || inside.heard().len() == 1).await;

    let documented = documented();
    assert_eq!(metrics.names(), documented);
    for name in &documented {
        assert!(metrics.page().contains(&format!("# HELP {name} ")), "{name} says what it is");
    }
}

#[tokio::test]
async fn deliveries_are_counted_by_source_and_outcome() {
    let metrics = Metrics::collect();
    let inside = Inside::with(sample::sources(&["github", "stripe"])).await;
    let of = |source, outcome| {
        metrics.value("webhooks_deliveries_total", &[("source", source), ("outcome", outcome)])
    };
    assert_eq!(of("github", "handled"), 0.0, "there before the first delivery");

    for _ in 0..3 {
        inside.send(sample::of("github", "an-id")).await;
    }
    inside.send(sample::of("stripe", "evt_1")).await;
    inside.send(Post::to("stripe")).await;
    inside.send(sample::of("stripe", "evt_2").body("{}")).await;

    assert_eq!((of("github", "handled"), of("github", "duplicate")), (1.0, 2.0));
    assert_eq!((of("stripe", "handled"), of("stripe", "rejected")), (1.0, 2.0));
    let rejected =
        |reason| metrics.value("webhooks_rejections_total", &[("source", "stripe"), ("reason", reason)]);
    assert_eq!((rejected("signature_missing"), rejected("signature_mismatch")), (1.0, 1.0));
    assert_eq!(metrics.value("webhooks_delivery_seconds_count", &[("source", "github")]), 3.0);
    assert!(metrics.value("webhooks_delivery_seconds_sum", &[("source", "github")]) > 0.0);
    let report = inside.report("stripe");
    assert_eq!((report.count("handled"), report.count("rejected")), (1, 2));
}

#[tokio::test]
async fn what_strangers_write_becomes_no_label() {
    let metrics = Metrics::collect();
    let inside = Inside::with(sample::sources(&["stripe"])).await;
    let before = metrics.page().lines().count();
    for path in ["%73tripe", "Stripe", "stripe/", "/stripe", "stripe%00", "strange", "unknown"] {
        let reply = inside.send(Post::at(&format!("/webhooks/{path}"))).await;
        assert_eq!(refusal(&reply), "404 unknown_source", "{path}");
    }
    let astray = [("source", "unknown"), ("outcome", "unknown_source")];
    assert_eq!(metrics.value("webhooks_deliveries_total", &astray), 7.0);
    assert_eq!(metrics.page().lines().count(), before, "nothing is new but numbers");
    assert!(!metrics.page().contains("stran"));
}

#[tokio::test]
async fn clock_skew_named() {
    for (jump, why) in [(600, "expired"), (-600, "from_the_future")] {
        let metrics = Metrics::collect();
        let clock = Clock::turnable();
        let inside = Inside::with(sample::sources(&["stripe"]).clock(clock.clone())).await;
        let skew = || metrics.value("webhooks_clock_skew_seconds", &[("source", "stripe")]);
        clock.jump_wall(jump);

        let reply = inside.send(sample::of("stripe", "evt_1")).await;

        assert_eq!(refusal(&reply), format!("401 {why}"), "and not that the secret is wrong");
        assert!((skew() - jump as f64).abs() <= 60.0, "{} for {jump}", skew());
        assert!(inside.heard().is_empty());
        // Only who has the secret has a clock that is believed.
        let told = skew();
        let body = sample::stripe_body("evt_2");
        let forged = support::sign::stripe("another secret", 1, body.as_bytes());
        inside.send(Post::to("stripe").headers(forged).body(body)).await;
        assert_eq!(skew(), told);
    }
}

#[tokio::test]
async fn a_source_that_falls_silent_can_be_told() {
    let metrics = Metrics::collect();
    let inside = Inside::with(sample::sources(&["stripe"])).await;
    let last = || metrics.value("webhooks_last_verified_timestamp_seconds", &[("source", "stripe")]);
    assert_eq!(last(), 0.0, "never");

    inside.send(sample::of("stripe", "evt_1").body("{}")).await;
    assert_eq!(last(), 0.0, "a forgery is no sign of life");

    let before = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64();
    inside.send(sample::of("stripe", "evt_1")).await;
    assert!((before..before + 60.0).contains(&last()), "{} is about {before}", last());
}

#[tokio::test]
async fn what_is_odd_about_events_is_counted_by_source() {
    let metrics = Metrics::collect();
    let builder =
        sample::sources(&["github", "hmac"]).source("open", |it| it.provider("hmac").validator("none"));
    let inside = Inside::with(builder).await;
    inside.send(sample::of("github", "an-id")).await;
    inside.send(sample::of("github", "another-id")).await;
    inside.send(sample::of("hmac", "an-id").without("X-Idempotency-Key")).await;
    inside.send(Post::to("open").body("{}")).await;

    let count = |name: &str, source| metrics.value(name, &[("source", source)]);
    assert_eq!(count("webhooks_replay_suspected_total", "github"), 1.0);
    assert_eq!(count("webhooks_without_id_total", "hmac"), 1.0);
    assert_eq!(count("webhooks_unverified_total", "open"), 1.0);
    assert_eq!(count("webhooks_unverified_total", "github"), 0.0);
}

/// A listener for each way in which a run can end.
#[tokio::test]
async fn runs_are_counted_by_listener_and_result() {
    let metrics = Metrics::collect();
    let started = Count::new();
    let start = started.clone();
    let builder = sample::sources(&["github"])
        .settings(settings("drain_delay = 0\nshutdown_grace = 0\ninline.timeout = \"50ms\""))
        .source("github", |it| it.secret(sample::secret("github")))
        .listener(listener("ok", |_| async { Ok(()) }).hearing("push"))
        .listener(listener("failed", |_| async { Err("again".into()) }).hearing("push"))
        .listener(listener("permanent", |_| async { Err(Failure::permanent("no")) }).hearing("push"))
        .listener(listener("panicked", |_| async { panic!("on purpose") }).hearing("push"))
        .listener(listener("timed_out", |_| std::future::pending()).hearing("push"))
        .listener(
            listener("cancelled", move |_| {
                start.add();
                std::future::pending()
            })
            .hearing("star"),
        );
    let webhooks = std::sync::Arc::new(builder.build().await.unwrap_or_else(|error| panic!("{error}")));
    assert_eq!(webhooks.process(sample::of("github", "1").into_request()).await.status, 500);
    let last = std::sync::Arc::clone(&webhooks);
    let cancelled = tokio::spawn(async move {
        last.process(sample::github("2", "star", sample::GITHUB_BODY).into_request()).await.status
    });
    started.reach(1).await;
    webhooks.handle().drain().await;
    assert_eq!(cancelled.await.expect("an answer"), 503);

    for result in ["ok", "failed", "permanent", "panicked", "timed_out", "cancelled"] {
        let count =
            |wanted| metrics.value("webhooks_runs_total", &[("listener", result), ("result", wanted)]);
        assert_eq!(count(result), 1.0, "{result}");
        let others = ["ok", "failed", "permanent", "panicked", "timed_out", "cancelled"].into_iter();
        assert_eq!(others.map(count).sum::<f64>(), 1.0, "{result}, and nothing else");
        assert_eq!(metrics.value("webhooks_run_seconds_count", &[("listener", result)]), 1.0);
    }
    assert!(metrics.value("webhooks_run_seconds_sum", &[("listener", "timed_out")]) >= 0.05);
}

#[tokio::test]
async fn what_is_under_way_goes_up_and_down() {
    let metrics = Metrics::collect();
    let (started, gate) = (Count::new(), Gate::closed());
    let (start, held) = (started.clone(), gate.clone());
    let builder = sample::sources(&["github"]).listener(listener("held", move |_| {
        let (start, held) = (start.clone(), held.clone());
        async move {
            start.add();
            held.pass().await;
            Ok(())
        }
    }));
    let webhooks = builder.build().await.unwrap_or_else(|error| panic!("{error}"));
    let (in_flight, waiters) =
        (|| metrics.value("webhooks_in_flight", &[]), || metrics.value("webhooks_waiters", &[]));
    let send = || webhooks.process(sample::of("github", "an-id").into_request());
    let watch = async {
        started.reach(1).await;
        until(async || waiters() == 2.0).await;
        assert_eq!(in_flight(), 1.0, "who waits holds no place");
        gate.open();
    };
    let (first, second, third, ()) = tokio::join!(send(), send(), send(), watch);
    assert_eq!([first.status, second.status, third.status], [200; 3]);
    assert_eq!((in_flight(), waiters()), (0.0, 0.0));
}

/// Serves webhooks over a socket.
async fn serve(webhooks: Webhooks) -> (JoinHandle<Result<(), webhooks::Error>>, SocketAddr) {
    let socket = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = socket.local_addr().expect("a bound socket");
    (tokio::spawn(webhooks.serve_on(socket)), address)
}

#[tokio::test]
async fn what_became_of_a_delivery_is_told_though_its_client_hung_up() {
    let (log, metrics) = (Log::capture(), Metrics::collect());
    let (started, gate) = (Count::new(), Gate::closed());
    let (start, held) = (started.clone(), gate.clone());
    let builder = sample::sources(&["hmac"]).listener(listener("held", move |_| {
        let (start, held) = (start.clone(), held.clone());
        async move {
            start.add();
            held.pass().await;
            Ok(())
        }
    }));
    let (server, address) = serve(builder.build().await.expect("it starts")).await;
    let request = Request::post("/webhooks/hmac").body("{}");
    let request = request.headers(support::sign::hmac(sample::secret("hmac"), "1", b"{}"));
    let mut connection = Connection::open(address).await.expect("a connection");
    connection.write(&[&request.head(), &b"{}"[..]].concat()).await.expect("written");
    started.reach(1).await;
    drop(connection);
    // The server has seen it once it serves another.
    assert_eq!(Request::new("GET", "/livez").send(address).await.expect("an answer").status, 200);
    gate.open();

    let handled = [("source", "hmac"), ("outcome", "handled")];
    until(async || metrics.value("webhooks_deliveries_total", &handled) == 1.0).await;
    assert_eq!(log.lines_where("message", "delivery")[0]["outcome"], "handled");
    server.abort();
}

#[tokio::test]
async fn bytes_that_are_not_verified_are_measured() {
    let metrics = Metrics::collect();
    let secret = sample::secret("github");
    let builder = Webhooks::builder().source("github", |source| source.secret(secret));
    let (server, address) =
        serve(builder.listener(Recorder::new("*")).build().await.expect("it starts")).await;
    let buffered = || metrics.value("webhooks_buffered_bytes", &[]);

    let mut connection = Connection::open(address).await.expect("a connection");
    let head = "POST /webhooks/github HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\
                X-GitHub-Delivery: 1\r\nX-GitHub-Event: push\r\n";
    let signature = format!("X-Hub-Signature-256: sha256={}\r\n\r\n", "0".repeat(64));
    connection
        .write(&[head.as_bytes(), signature.as_bytes(), &[b' '; 1000]].concat())
        .await
        .expect("written");
    until(async || buffered() == 1000.0).await;
    connection.write(&[b' '; 1000]).await.expect("written");

    assert_eq!(connection.response().await.expect("an answer").status, 401);
    assert_eq!(buffered(), 0.0);
    server.abort();
}

/// A store that loses every claim, and cannot note anything.
struct Forgetful;

impl WebhookEventStore for Forgetful {
    async fn claim(&self, _: &EventKey, _: &ClaimTerms) -> Result<Claim, StoreError> {
        Ok(Claim::Granted(Grant { token: Token::random(), attempt: 1, settled: Vec::new() }))
    }

    async fn renew(&self, _: &EventKey, _: Token, _: Duration) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn record(&self, _: &EventKey, _: Token, _: &ListenerFate) -> Result<bool, StoreError> {
        Err(StoreError::unavailable("down"))
    }

    async fn settle(&self, _: &EventKey, _: Token, _: &Settlement) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn forget(&self, _: &EventKey) -> Result<bool, StoreError> {
        Ok(false)
    }
}

#[tokio::test]
async fn the_store_is_timed_and_its_failures_are_counted() {
    let _log = Log::capture();
    let metrics = Metrics::collect();
    let builder = sample::sources(&["github"]).store(Forgetful).listener(Recorder::new("github"));
    let inside = Inside::with(builder).await;
    assert_eq!(refusal(&inside.send(sample::of("github", "an-id")).await), "503 lease_lost");

    let took = |operation| metrics.value("webhooks_store_seconds_count", &[("operation", operation)]);
    let failed = |operation| metrics.value("webhooks_store_errors_total", &[("operation", operation)]);
    assert_eq!((took("claim"), took("record"), took("settle")), (1.0, 1.0, 1.0));
    assert_eq!((failed("claim"), failed("record"), failed("settle")), (0.0, 1.0, 0.0));
    assert_eq!(metrics.value("webhooks_lease_lost_total", &[("source", "github")]), 1.0);
}

#[tokio::test]
async fn the_inbox_is_counted() {
    let folder = InboxFolder::new();
    let an_hour_ago = Clock::turnable();
    an_hour_ago.jump_wall(-3_600);
    let newer = folder.sources(&["github"]).clock(an_hour_ago).listener(listener("gone", |_| async {
        Err(Failure::retry_after(DAY, "it waits for a build that has this listener"))
    }));
    let newer = Inside::answering(newer, |event| match event.event_type() {
        "push" => Err(Failure::permanent("dead")),
        _ => Err(Failure::retry_after(DAY, "pending")),
    });
    let newer = newer.await;
    newer.send(sample::of("github", "1")).await;
    newer.send(sample::github("2", "star", r#"{"action":"created"}"#)).await;
    until(async || {
        let inbox = newer.webhooks.inbox().expect("an inbox is configured");
        let backlog = inbox.backlog().await.expect("an inbox");
        backlog.iter().any(|it| it.listener == "recorder of *" && (it.pending, it.dead) == (1, 1))
    })
    .await;
    drop(newer);

    let metrics = Metrics::collect();
    let _older = Inside::with(folder.sources(&["github"])).await;
    let count = |name: &str| metrics.value(name, &[("listener", "recorder of *")]);
    until(async || count("webhooks_inbox_dead") == 1.0).await;
    assert_eq!(count("webhooks_inbox_pending"), 1.0);
    let oldest = count("webhooks_inbox_oldest_pending_seconds");
    assert!((3_600.0..3_700.0).contains(&oldest), "{oldest}");
    assert_eq!(metrics.value("webhooks_inbox_orphans", &[]), 2.0);
    assert!(!metrics.page().contains("gone"), "a name of another build is no label");
}
