//! Claims in Redis while processes and servers are killed, stopped and cut off. Real servers, real processes.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use support::fleet::{Deeds, ProbeOptions};
use support::http::Response;
use support::inside::reason;
use support::log::Log;
use support::process::PATIENCE;
use support::redis_server::{Options, RedisServer};
use support::relay::Relay;
use support::sample;
use support::scripted::{Count, Gate, listener};
use tokio::time::timeout;
use webhooks::{RedisWebhookEventStore, WebhookEventListener, Webhooks};

fn status(answer: &std::io::Result<Response>) -> u16 {
    answer.as_ref().expect("an answer").status
}

/// What the server has recorded of the only event there is.
fn recorded(server: &RedisServer) -> String {
    server.command(&["EVAL", "return redis.call('GET', redis.call('KEYS', '*')[1])", "0"])
}

async fn twenty_keys_ten_wide_on(server: RedisServer) {
    let options = ProbeOptions::redis(&server.url());
    let probes = [options.start(), options.start()];
    let key = |n: usize| format!("evt_{}", n % 20);
    let answers = join_all((0..400).map(|n| {
        let probe = &probes[n / 20 % 2];
        async move { probe.deliver(&key(n), r#"{"a":{"sleep_ms":300}}"#).await }
    }))
    .await;
    for (n, answer) in answers.iter().enumerate() {
        match status(answer) {
            200 => {}
            503 => {
                assert!(answer.as_ref().is_ok_and(|it| it.header("retry-after").is_some()));
                let again = probes[n % 2].deliver(&key(n), "{}").await;
                assert_eq!(status(&again), 200, "{}", key(n));
            }
            other => panic!("{} was answered {other}", key(n)),
        }
    }
    let deeds = probes[0].finish().and(probes[1].finish());
    assert_eq!((deeds.total("a"), deeds.total("b")), (20, 20));
    for n in 0..20 {
        assert_eq!(deeds.starts("a", &key(n)), 1, "{}", key(n));
    }
}

#[tokio::test]
async fn twenty_keys_ten_wide() {
    twenty_keys_ten_wide_on(RedisServer::start()).await;
}

#[tokio::test]
async fn twenty_keys_ten_wide_on_valkey() {
    if let Some(options) = Options::valkey() {
        twenty_keys_ten_wide_on(options.start()).await;
    }
}

#[tokio::test]
async fn another_process_takes_over_from_a_killed_one() {
    let server = RedisServer::start();
    let options = ProbeOptions::redis(&server.url()).lease("600ms");
    let (first, second) = (options.start(), options.start());
    let abandoned = async {
        let answer = first.deliver("evt_1", r#"{"a":{"sleep_ms":25000}}"#).await;
        assert!(answer.is_err(), "the process was killed");
    };
    let takeover = async {
        first.saw("start", "a", "evt_1", 1).await;
        assert_eq!(status(&second.deliver("evt_1", "{}").await), 503, "it runs in the other process");
        first.process.kill9();
        assert_eq!(status(&second.deliver_until_taken("evt_1", "{}").await), 200);
        second.saw("end", "a", "evt_1", 2).await;
    };
    tokio::join!(abandoned, takeover);
}

#[tokio::test]
async fn blocking_listener_keeps_lease() {
    let server = RedisServer::start();
    let options = ProbeOptions::redis(&server.url()).lease("600ms");
    let (blocked, other) = (options.clone().one_thread().start(), options.start());
    let run = blocked.deliver("evt_1", r#"{"a":{"block_ms":1800}}"#);
    let duplicates = async {
        blocked.saw("start", "a", "evt_1", 1).await;
        other.deliver_until_taken("evt_1", "{}").await
    };
    let (first, second) = tokio::join!(run, duplicates);
    assert_eq!((status(&first), status(&second)), (200, 200));
    assert_eq!((blocked.finish().total("a"), other.finish().total("a")), (1, 0));
}

/// Notes when it is dropped.
struct Ending(Arc<Mutex<Option<Instant>>>);

impl Drop for Ending {
    fn drop(&mut self) {
        *self.0.lock().expect("nobody panics in here") = Some(Instant::now());
    }
}

async fn with_store(redis: &str, listener: impl WebhookEventListener) -> Webhooks {
    let store = RedisWebhookEventStore::connect(redis).await.expect("the server was just started");
    let settings = "idempotency.lease = \"3s\"".parse().expect("settings");
    let secret = sample::secret("stripe");
    let builder = Webhooks::builder().settings(settings).source("stripe", |it| it.secret(secret));
    builder.store(store).listener(listener).build().await.unwrap_or_else(|error| panic!("{error}"))
}

async fn deliver(webhooks: &Webhooks) -> webhooks::Reply {
    webhooks.process(sample::of("stripe", "evt_1").into_request()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn partitioned_worker_stops_first() {
    let server = RedisServer::start();
    let relay = Relay::to(server.address()).await;
    let (started, ended) = (Count::new(), Arc::new(Mutex::new(None)));
    let (start, end) = (started.clone(), Arc::clone(&ended));
    let cut_off = listener("work", move |_| {
        start.add();
        let ending = Ending(Arc::clone(&end));
        async move {
            std::future::pending::<()>().await;
            drop(ending);
            Ok(())
        }
    });
    let granted = Arc::new(Mutex::new(None));
    let grant = Arc::clone(&granted);
    let next = listener("work", move |_| {
        *grant.lock().expect("nobody panics in here") = Some(Instant::now());
        async { Ok(()) }
    });
    let cut_off = with_store(&format!("redis://{}/0", relay.address()), cut_off).await;
    let next = with_store(&server.url(), next).await;

    let taken_over = async {
        started.reach(1).await;
        relay.cut();
        let granted = async {
            while deliver(&next).await.status != 200 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, granted).await.expect("the event passes on");
    };
    let (reply, ()) = tokio::join!(deliver(&cut_off), taken_over);
    assert_eq!((reply.status.as_u16(), &*reason(&reply)), (503, "lease_lost"));
    let (ended, granted) = (ended.lock().expect("no panic").take(), granted.lock().expect("no panic").take());
    assert!(
        ended.expect("cancelled") < granted.expect("granted"),
        "the first stops before the second starts"
    );
}

#[tokio::test]
async fn sigstop_beyond_lease() {
    let server = RedisServer::start();
    let options = ProbeOptions::redis(&server.url()).lease("600ms");
    let (paused, other) = (options.start(), options.start());
    // One listener is left for the second attempt, so that nothing but the settlement asks whose the event is.
    assert_eq!(status(&paused.deliver("evt_1", r#"{"b":{"fail":1}}"#).await), 500);
    let run = paused.deliver("evt_1", r#"{"b":{"block_ms":1200}}"#);
    let pause = async {
        paused.saw("start", "b", "evt_1", 2).await;
        paused.process.stop();
        let taken_over = other.deliver_until_taken("evt_1", "{}").await;
        paused.process.resume();
        taken_over
    };
    let (refused, taken_over) = tokio::join!(run, pause);
    assert_eq!((status(&refused), status(&taken_over)), (503, 200));
    paused.process.stderr().line(|line| line.contains("outcome=\"lease_lost\"")).await;
    assert_eq!(other.finish().starts("b", "evt_1"), 1);
}

#[tokio::test]
async fn crash_between_listeners() {
    let server = RedisServer::start();
    let options = ProbeOptions::redis(&server.url()).lease("600ms");
    let (crashing, other) = (options.start(), options.start());
    let crash = async {
        crashing.saw("end", "a", "evt_1", 1).await;
        let noted = async {
            while !recorded(&server).contains("+a") {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, noted).await.expect("that a is done is recorded");
        crashing.process.kill9();
    };
    let (answer, ()) = tokio::join!(crashing.deliver("evt_1", r#"{"b":{"sleep_ms":25000}}"#), crash);
    assert!(answer.is_err(), "the process was killed");
    assert_eq!(status(&other.deliver_until_taken("evt_1", "{}").await), 200);
    let deeds = other.finish();
    assert_eq!((deeds.total("a"), deeds.total("b")), (0, 1));
}

#[tokio::test]
async fn crash_loop_cap() {
    let server = RedisServer::start();
    let options = ProbeOptions::redis(&server.url()).lease("300ms");
    let poison = r#"{"a":{"abort":true}}"#;
    let mut deeds = Deeds::default();
    for _ in 0..3 {
        let probe = options.start();
        let answer = probe.deliver_until_taken("evt_1", poison).await;
        assert!(answer.is_err(), "the process aborted");
        deeds = deeds.and(probe.finish());
    }
    let probe = options.start();
    assert_eq!(status(&probe.deliver_until_taken("evt_1", poison).await), 200);
    probe.process.stderr().line(|line| line.contains("ERROR") && line.contains("crash_loop")).await;
    assert_eq!(status(&probe.deliver("evt_2", "{}").await), 200, "the process lives");
    let survivor = probe.finish();
    assert_eq!((deeds.starts("a", "evt_1"), survivor.starts("a", "evt_1")), (3, 0));
}

#[tokio::test]
async fn complete_unreachable() {
    let log = Log::capture();
    let server = RedisServer::start();
    let (started, gate) = (Count::new(), Gate::closed());
    let (start, held) = (started.clone(), gate.clone());
    let webhooks = with_store(
        &server.url(),
        listener("work", move |_| {
            let (start, held) = (start.clone(), held.clone());
            async move {
                start.add();
                held.pass().await;
                Ok(())
            }
        }),
    )
    .await;
    let outage = async {
        started.reach(1).await;
        server.kill9();
        gate.open();
    };
    let (reply, ()) = tokio::join!(deliver(&webhooks), outage);
    assert_eq!(reply.status, 200);
    let errors = log.lines_where("level", "ERROR");
    assert_eq!(errors.len(), 1);
    let expected = "the outcome could not be recorded; a redelivery may be handled again";
    assert_eq!(errors[0]["message"], expected);
}

#[tokio::test]
async fn store_restart_mid_load() {
    let mut server = Options::redis().append_only().start();
    let probe = ProbeOptions::redis(&server.url()).lease("5s").start();
    let (handled, refused) = (Count::new(), Count::new());
    let stop = std::cell::Cell::new(false);
    let worker = |worker: usize| {
        let (probe, stop, handled, refused) = (&probe, &stop, handled.clone(), refused.clone());
        async move {
            let mut delivered = 0;
            while !stop.get() {
                let answer = probe.deliver(&format!("evt_{worker}_{delivered}"), "{}").await;
                match status(&answer) {
                    200 => handled.add(),
                    503 => refused.add(),
                    other => panic!("answered {other}"),
                }
                delivered += 1;
            }
            delivered
        }
    };
    let faults = async {
        handled.reach(100).await;
        server.kill9();
        refused.reach(10).await;
        server.restart();
        handled.reach(handled.get() + 100).await;
        stop.set(true);
    };
    let (delivered, ()) = tokio::join!(join_all((0..8).map(worker)), faults);
    for (worker, delivered) in delivered.into_iter().enumerate() {
        for event in 0..delivered {
            let again = probe.deliver_until_taken(&format!("evt_{worker}_{event}"), "{}").await;
            assert_eq!(status(&again), 200);
        }
    }
    let deeds = probe.finish();
    assert_eq!(deeds.total("a"), handled.get() + refused.get(), "each event was handled");
    assert_eq!(deeds.distinct("a"), deeds.total("a"), "and none twice");
}

#[tokio::test]
async fn mixed_versions() {
    let server = RedisServer::start();
    let probe = ProbeOptions::redis(&server.url()).start();
    assert_eq!(status(&probe.deliver("evt_1", "{}").await), 200);
    let newer = "return redis.call('SET', redis.call('KEYS', '*')[1], '2 what will be', 'KEEPTTL')";
    assert_eq!(server.command(&["EVAL", newer, "0"]), "+OK");
    let answer = probe.deliver("evt_1", "{}").await.expect("an answer");
    assert_eq!(answer.status, 503);
    assert!(answer.header("retry-after").is_some());
    assert!(recorded(&server).ends_with("2 what will be"));
    assert_eq!(probe.finish().total("a"), 1);
}
