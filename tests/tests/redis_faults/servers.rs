//! Servers that are killed, stopped, cut off, full, closed to us, or no longer the one that counts.

use std::cell::Cell;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use support::fleet::ProbeOptions;
use support::inside::reason;
use support::log::Log;
use support::redis_server::Options;
use support::relay::Relay;
use support::scripted::{Count, Gate, listener};
use webhooks::{Claim, Fate, ListenerFate, RedisWebhookEventStore, StoreError, WebhookEventStore};

use crate::common::{
    claim, completed, connect, counting, deliver, deliver_until_taken, key, lease, released, status, token,
    with_store,
};

/// Notes when it is dropped.
struct Ending(Arc<Mutex<Option<Instant>>>);

impl Drop for Ending {
    fn drop(&mut self) {
        *self.0.lock().expect("nobody panics in here") = Some(Instant::now());
    }
}

pub(crate) async fn partitioned_worker_stops_first(server: Options) {
    let server = server.start();
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
    let cut_off = with_store(&relay.redis_url(), "3s", cut_off).await;
    let next = with_store(&server.url(), "3s", next).await;

    let taken_over = async {
        started.reach(1).await;
        relay.cut();
        deliver_until_taken(&next, "evt_1").await;
    };
    let (reply, ()) = tokio::join!(deliver(&cut_off, "evt_1"), taken_over);
    assert_eq!((reply.status.as_u16(), &*reason(&reply)), (503, "lease_lost"));
    let (ended, granted) = (ended.lock().expect("no panic").take(), granted.lock().expect("no panic").take());
    assert!(
        ended.expect("cancelled") < granted.expect("granted"),
        "the first stops before the second starts"
    );
}

pub(crate) async fn complete_unreachable(server: Options) {
    let log = Log::capture();
    let server = server.start();
    let (started, gate) = (Count::new(), Gate::closed());
    let (start, held) = (started.clone(), gate.clone());
    let webhooks = with_store(
        &server.url(),
        "3s",
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
    let (reply, ()) = tokio::join!(deliver(&webhooks, "evt_1"), outage);
    assert_eq!(reply.status, 200);
    let errors = log.lines_where("level", "ERROR");
    assert_eq!(errors.len(), 1);
    let expected = "the outcome could not be recorded; a redelivery may be handled again";
    assert_eq!(errors[0]["message"], expected);
}

pub(crate) async fn store_restart_mid_load(server: Options) {
    let mut server = server.append_only().start();
    let probe = ProbeOptions::redis(&server.url()).lease("5s").start();
    let (handled, refused) = (Count::new(), Count::new());
    let stop = Cell::new(false);
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

pub(crate) async fn a_stopped_server(server: Options) {
    /// For a machine that has other things to do.
    const SLACK: Duration = Duration::from_secs(2);
    let server = server.start();
    let (runs, first_attempts) = (Count::new(), Count::new());
    let (run, first) = (runs.clone(), first_attempts.clone());
    let work = listener("work", move |event| {
        run.add();
        if event.attempt() == 1 {
            first.add();
        }
        async { Ok(()) }
    });
    // With a lease so long, whoever waits for its end has lost.
    let webhooks = with_store(&server.url(), "10m", work).await;
    server.stop();
    let asked = Instant::now();
    let refused = deliver(&webhooks, "evt_1").await;
    assert_eq!((refused.status.as_u16(), &*reason(&refused)), (503, "store_unavailable"));
    assert!(asked.elapsed() < RedisWebhookEventStore::ANSWER_WITHIN + SLACK, "{:?}", asked.elapsed());
    server.resume();
    deliver_until_taken(&webhooks, "evt_1").await;
    // The claim that was asked for while it stood still was granted to nobody, and taken back.
    assert_eq!((runs.get(), first_attempts.get()), (1, 1));
}

pub(crate) async fn a_full_server(server: Options) {
    let server = server.start();
    let store = connect(&server.url()).await;
    let [held, settling, failing] =
        [token(&store, "1").await, token(&store, "2").await, token(&store, "3").await];
    let done = token(&store, "4").await;
    assert!(store.settle(&key("4"), done, &completed()).await.expect("an answer"));

    assert_eq!(server.command(&["CONFIG", "SET", "maxmemory", "1"]), "+OK");
    assert!(matches!(claim(&store, "5").await, Err(StoreError::Full)), "it takes nothing new");
    assert!(matches!(claim(&store, "4").await, Ok(Claim::Completed)), "it knows what was handled");
    assert!(matches!(claim(&store, "1").await, Ok(Claim::Busy { .. })), "and what runs");
    let fate = ListenerFate { listener: "a".repeat(1_000), fate: Fate::Done };
    assert!(store.record(&key("1"), held, &fate).await.expect("what runs is kept"));
    assert!(store.renew(&key("1"), held, lease()).await.expect("what runs is kept"));
    assert!(store.settle(&key("2"), settling, &completed()).await.expect("what runs is settled"));
    let failed = released(vec![fate.clone()]);
    assert!(store.settle(&key("3"), failing, &failed).await.expect("what runs is settled"));

    assert_eq!(server.command(&["CONFIG", "SET", "maxmemory", "0"]), "+OK");
    assert!(matches!(claim(&store, "2").await, Ok(Claim::Completed)));
    let Ok(Claim::Granted(again)) = claim(&store, "3").await else { panic!("it was released") };
    assert_eq!((again.attempt, again.settled), (2, vec![fate]));
}

pub(crate) async fn a_refused_login_is_forgotten(server: Options) {
    let server = server.start();
    let user = |change: &str| {
        let user = ["ACL", "SETUSER", "app", change, ">secret", "~*", "+@all"];
        assert_eq!(server.command(&user), "+OK");
    };
    user("on");
    let runs = Count::new();
    let url = server.url().replace("redis://", "redis://app:secret@");
    let webhooks = with_store(&url, "30s", counting(&runs)).await;
    assert_eq!(deliver(&webhooks, "evt_1").await.status, 200);
    user("off");
    server.command(&["CLIENT", "KILL", "USER", "app"]);
    for _ in 0..2 {
        assert_eq!(deliver(&webhooks, "evt_2").await.status, 503);
    }
    user("on");
    assert_eq!(deliver(&webhooks, "evt_2").await.status, 200);
    assert_eq!(runs.get(), 2);
}

pub(crate) async fn an_address_that_leads_to_another_server(options: Options) {
    let (first, second) = (options.clone().start(), options.start());
    let relay = Relay::to(first.address()).await;
    let runs = Count::new();
    let webhooks = with_store(&relay.redis_url(), "30s", counting(&runs)).await;
    assert_eq!(deliver(&webhooks, "evt_1").await.status, 200);
    // A failover: what was the primary keeps its connections, and refuses writes from now on.
    relay.lead_to(second.address());
    let port = second.address().port().to_string();
    assert_eq!(first.command(&["REPLICAOF", "127.0.0.1", &port]), "+OK");
    assert_eq!(deliver(&webhooks, "evt_2").await.status, 503);
    assert_eq!(deliver(&webhooks, "evt_2").await.status, 200);
    assert_eq!(runs.get(), 2);
}
