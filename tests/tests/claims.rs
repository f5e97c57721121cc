//! Claims in memory: who runs an event, and for how long it is remembered.

use std::sync::Arc;
use std::time::Duration;

use support::inside::{Post, reason};
use support::log::Log;
use support::process::PATIENCE;
use support::scripted::{Count, Gate, Scripted, Shared, listener};
use support::{sample, sign};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use webhooks::{
    Builder, Clock, InMemoryWebhookEventStore, Reply, WebhookEvent, WebhookEventListener, Webhooks,
};

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// The generic provider: no time is signed, so that the clock may be turned at will.
fn event(id: &str) -> Post {
    let body = format!(r#"{{"type":"test","id":"{id}"}}"#);
    Post::to("hmac").headers(sign::hmac(sample::secret("hmac"), id, body.as_bytes())).body(body)
}

fn settings(text: &str) -> Builder {
    let builder = Webhooks::builder().settings(text.parse().expect("settings"));
    builder.source("hmac", |source| source.secret(sample::secret("hmac")))
}

async fn build(builder: Builder, listener: impl WebhookEventListener) -> Arc<Webhooks> {
    Arc::new(builder.listener(listener).build().await.unwrap_or_else(|error| panic!("{error}")))
}

async fn send(webhooks: &Webhooks, post: Post) -> Reply {
    webhooks.process(post.into_request()).await
}

fn spawn(webhooks: &Arc<Webhooks>, post: Post) -> JoinHandle<Reply> {
    let webhooks = Arc::clone(webhooks);
    tokio::spawn(async move { send(&webhooks, post).await })
}

/// A listener that counts, and holds the event `held` until the gate is opened.
fn holding(started: &Count, gate: &Gate) -> Scripted<impl Fn(WebhookEvent) -> Held + Send + Sync + 'static> {
    let (started, gate) = (started.clone(), gate.clone());
    listener("work", move |event| {
        started.add();
        let gate = (event.id() == Some("held")).then(|| gate.clone());
        Box::pin(async move {
            if let Some(gate) = gate {
                gate.pass().await;
            }
            Ok(())
        }) as Held
    })
}

type Held = futures_util::future::BoxFuture<'static, webhooks::Result>;

#[tokio::test]
async fn partial_failure_outlives_lease() {
    let clock = Clock::turnable();
    let (a, b) = (Count::new(), Count::new());
    let (runs_a, runs_b) = (a.clone(), b.clone());
    let succeeds = listener("a", move |_| {
        runs_a.add();
        async { Ok(()) }
    });
    let fails_once = listener("b", move |event| {
        runs_b.add();
        async move { if event.attempt() == 1 { Err("not yet".into()) } else { Ok(()) } }
    });
    let webhooks = build(settings("").clock(clock.clone()).listener(succeeds), fails_once).await;
    assert_eq!(send(&webhooks, event("1")).await.status, 500);
    clock.advance(23 * HOUR);
    assert_eq!(send(&webhooks, event("1")).await.status, 200);
    assert_eq!((a.get(), b.get()), (1, 2), "what was done is not done again");
    assert_eq!(send(&webhooks, event("1")).await.status, 200);
    assert_eq!((a.get(), b.get()), (1, 2), "all is done now");
}

#[tokio::test]
async fn memory_store_full() {
    let clock = Clock::turnable();
    let (started, gate) = (Count::new(), Gate::closed());
    let small = settings("idempotency.max_keys = 2").clock(clock.clone());
    let webhooks = build(small, holding(&started, &gate)).await;
    let held = spawn(&webhooks, event("held"));
    started.reach(1).await;
    assert_eq!(send(&webhooks, event("2")).await.status, 200);

    let refused = send(&webhooks, event("3")).await;
    assert_eq!((refused.status.as_u16(), &*reason(&refused)), (503, "store_full"));
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(send(&webhooks, event("2")).await.status, 200, "what is remembered stays remembered");
    assert_eq!(started.get(), 2);

    gate.open();
    assert_eq!(held.await.expect("no panic").status, 200);
    assert_eq!(send(&webhooks, event("held")).await.status, 200);
    assert_eq!(started.get(), 2, "the live claim was not evicted");

    clock.advance(DAY + HOUR);
    assert_eq!(send(&webhooks, event("3")).await.status, 200, "what has expired makes room");
}

#[tokio::test]
async fn a_full_store_may_forget_the_oldest_completed_if_told_to() {
    let (started, gate) = (Count::new(), Gate::closed());
    let small = settings("idempotency.max_keys = 2\nidempotency.evict_oldest = true");
    let webhooks = build(small, holding(&started, &gate)).await;
    let held = spawn(&webhooks, event("held"));
    started.reach(1).await;
    for id in ["2", "3", "4"] {
        assert_eq!(send(&webhooks, event(id)).await.status, 200, "{id}");
    }
    gate.open();
    assert_eq!(held.await.expect("no panic").status, 200);
    assert_eq!(send(&webhooks, event("held")).await.status, 200);
    assert_eq!(started.get(), 4, "the live claim was not evicted");
    assert_eq!(send(&webhooks, event("2")).await.status, 200);
    assert_eq!(started.get(), 5, "a forgotten event is handled again");
}

#[tokio::test]
async fn many_keys_are_remembered_and_expire_in_time() {
    let clock = Clock::turnable();
    let (started, gate) = (Count::new(), Gate::closed());
    let small = settings("idempotency.max_keys = 1000").clock(clock.clone());
    let webhooks = build(small, holding(&started, &gate)).await;
    for round in 1..=3 {
        for id in 0..1_000 {
            assert_eq!(send(&webhooks, event(&id.to_string())).await.status, 200, "{id} in round {round}");
        }
        for id in 0..1_000 {
            assert_eq!(send(&webhooks, event(&id.to_string())).await.status, 200, "{id} again");
        }
        assert_eq!(started.get(), round * 1_000);
        assert_eq!(send(&webhooks, event("one more")).await.status, 503);
        clock.advance(DAY + HOUR);
    }
}

fn stripe_event(clock: &Clock) -> Post {
    let since = clock.wall().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    let body = r#"{"id":"evt_1","type":"invoice.paid","data":{"object":{}}}"#;
    let seconds = i64::try_from(since).expect("before the year 292 billion");
    let signature = sign::stripe(sample::secret("stripe"), seconds, body.as_bytes());
    Post::to("stripe").headers(signature).body(body)
}

fn stripe(text: &str, clock: &Clock) -> Builder {
    let builder = Webhooks::builder().settings(text.parse().expect("settings")).clock(clock.clone());
    builder.source("stripe", |source| source.secret(sample::secret("stripe")))
}

#[tokio::test]
async fn retention_covers_provider() {
    let log = Log::capture();
    let clock = Clock::turnable();
    let started = Count::new();
    let webhooks = build(stripe("", &clock), holding(&started, &Gate::closed())).await;
    assert_eq!(send(&webhooks, stripe_event(&clock)).await.status, 200);
    clock.advance(3 * DAY - HOUR);
    assert_eq!(send(&webhooks, stripe_event(&clock)).await.status, 200);
    assert_eq!(started.get(), 1, "Stripe may still send it again");
    clock.advance(2 * HOUR);
    assert_eq!(send(&webhooks, stripe_event(&clock)).await.status, 200);
    assert_eq!(started.get(), 2, "Stripe has given up: it is forgotten");
    assert_eq!(log.lines_where("level", "WARN").len(), 0);
}

#[tokio::test]
async fn a_retention_shorter_than_the_providers_retries_warns() {
    let log = Log::capture();
    let clock = Clock::turnable();
    let started = Count::new();
    let short = stripe("idempotency.ttl_seconds = 3600", &clock);
    let webhooks = build(short, holding(&started, &Gate::closed())).await;
    let warnings = log.lines_where("level", "WARN");
    assert_eq!(warnings.len(), 1);
    let expected =
        "`webhooks.idempotency.ttl_seconds` is 3600, but Stripe sends an event again for up to 259200 s";
    assert_eq!(warnings[0]["message"], expected);
    assert_eq!(send(&webhooks, stripe_event(&clock)).await.status, 200);
    clock.advance(2 * HOUR);
    assert_eq!(send(&webhooks, stripe_event(&clock)).await.status, 200);
    assert_eq!(started.get(), 2, "what was asked for is what is done");
}

#[tokio::test]
async fn wall_clock_jump() {
    let clock = Clock::turnable();
    let (started, gate) = (Count::new(), Gate::closed());
    let store = Shared::new(InMemoryWebhookEventStore::new().with_clock(clock.clone()));
    let short = "idempotency.wait = \"10ms\"\nidempotency.lease = \"2s\"";
    let instance = || settings(short).clock(clock.clone()).store(store.clone());
    let first = build(instance(), holding(&started, &gate)).await;
    let second = build(instance(), holding(&started, &gate)).await;
    let held = spawn(&first, event("held"));
    started.reach(1).await;
    for jump in [3_600, -7_200, 7_200] {
        clock.jump_wall(jump);
        // At once, and after the lease was renewed twice: the first is over by the second jump.
        for renewals in [0, 2] {
            let renewed = store.renewals().reach(store.renewals().get() + renewals);
            timeout(PATIENCE, renewed).await.expect("the lease is renewed");
            let duplicate = send(&second, event("held")).await;
            assert_eq!(
                (duplicate.status.as_u16(), &*reason(&duplicate)),
                (503, "busy"),
                "{renewals} renewals after a jump of {jump} s"
            );
        }
    }
    gate.open();
    assert_eq!(held.await.expect("no panic").status, 200);
    clock.jump_wall(-3_600);
    assert_eq!(send(&second, event("held")).await.status, 200);
    assert_eq!(started.get(), 1);
}

#[tokio::test]
async fn waiters_bounded() {
    let (started, gate) = (Count::new(), Gate::closed());
    let webhooks = build(settings("idempotency.wait = \"1h\""), holding(&started, &gate)).await;
    let first = spawn(&webhooks, event("held"));
    started.reach(1).await;
    let mut duplicates = JoinSet::new();
    for _ in 0..1_000 {
        let webhooks = Arc::clone(&webhooks);
        duplicates.spawn(async move { send(&webhooks, event("held")).await });
    }
    for _ in 0..992 {
        let answered = timeout(PATIENCE, duplicates.join_next()).await.expect("at most 8 wait");
        let refused = answered.expect("there are more").expect("no panic");
        assert_eq!((refused.status.as_u16(), &*reason(&refused)), (503, "busy"));
        assert!(refused.headers.contains_key("retry-after"));
    }
    assert_eq!(send(&webhooks, event("another")).await.status, 200, "another key is served meanwhile");
    assert!(duplicates.try_join_next().is_none(), "8 wait");
    gate.open();
    assert_eq!(first.await.expect("no panic").status, 200);
    let waited = duplicates.join_all().await;
    assert_eq!(waited.len(), 8);
    assert!(waited.iter().all(|reply| reply.status == 200), "they are told how the first ended");
    assert_eq!(started.get(), 2);
}

#[tokio::test]
async fn those_who_wait_are_told_of_a_failure_too() {
    let (started, gate) = (Count::new(), Gate::closed());
    let (start, held) = (started.clone(), gate.clone());
    let fails = listener("work", move |_| {
        let (start, held) = (start.clone(), held.clone());
        async move {
            start.add();
            held.pass().await;
            Err("closed".into())
        }
    });
    let webhooks = build(settings("idempotency.wait = \"1h\""), fails).await;
    let first = spawn(&webhooks, event("1"));
    started.reach(1).await;
    let second = spawn(&webhooks, event("1"));
    // On one thread, everything that can go on has done so after some rounds.
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    gate.open();
    for reply in [first, second] {
        assert_eq!(reply.await.expect("no panic").status, 500);
    }
    assert_eq!(started.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_waits_only_so_long() {
    let (started, gate) = (Count::new(), Gate::closed());
    let webhooks = build(settings("idempotency.wait = \"2s\""), holding(&started, &gate)).await;
    let first = spawn(&webhooks, event("held"));
    started.reach(1).await;
    let duplicate = send(&webhooks, event("held")).await;
    assert_eq!((duplicate.status.as_u16(), &*reason(&duplicate)), (503, "busy"));
    assert_eq!(duplicate.headers["retry-after"], "2");
    gate.open();
    assert_eq!(first.await.expect("no panic").status, 200);
}

#[tokio::test]
async fn a_forgotten_event_is_handled_again() {
    let (started, gate) = (Count::new(), Gate::closed());
    let webhooks = build(settings(""), holding(&started, &gate)).await;
    let handle = webhooks.handle();
    let body = r#"{"type":"test","id":"held"}"#.as_bytes();
    let held = spawn(&webhooks, event("held"));
    started.reach(1).await;
    assert!(
        !handle.processor().forget("hmac", "held", body).await.expect("in memory"),
        "it is being handled"
    );
    gate.open();
    assert_eq!(held.await.expect("no panic").status, 200);
    assert!(!handle.processor().forget("hmac", "other", body).await.expect("in memory"));
    assert!(handle.processor().forget("hmac", "held", body).await.expect("in memory"));
    assert_eq!(send(&webhooks, event("held")).await.status, 200);
    assert_eq!(started.get(), 2);
}
