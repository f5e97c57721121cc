//! The inbox in PostgreSQL, shared by processes, while processes and servers are killed, stopped and cut off.

#![allow(clippy::print_stdout, reason = "figures of a run")]

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use support::fleet::{Deeds, Probe, ProbeOptions};
use support::inbox::until;
use support::postgres_server::{Options, PostgresServer};
use support::process::PATIENCE;
use support::relay::Relay;

/// Sent until it is acknowledged, as providers do.
async fn acknowledged(probe: &Probe, id: &str, instructions: &str) {
    let answer = probe.deliver_until_taken(id, instructions).await.expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// Nothing waits any more.
async fn settled(server: &PostgresServer, url: &str) {
    until(async || server.query_in(url, "SELECT count(*) FROM webhooks.runs WHERE state = 0") == "0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_is_handled_once_whoever_receives_it() {
    let server = PostgresServer::shared();
    let url = server.database();
    let probes = [(); 2].map(|()| ProbeOptions::postgres(&url).start());
    let id = |n: usize| format!("evt_{}", n % 40);
    let answers = join_all((0..200).map(|n| {
        let probe = &probes[n / 40 % 2];
        async move { probe.deliver(&id(n), r#"{"a":{"sleep_ms":5}}"#).await.expect("an answer").status }
    }))
    .await;
    assert!(answers.iter().all(|status| *status == 200), "{answers:?}");
    settled(&server, &url).await;
    let deeds = probes[0].finish().and(probes[1].finish());
    for n in 0..40 {
        assert_eq!((deeds.starts("a", &id(n)), deeds.starts("b", &id(n))), (1, 1), "{}", id(n));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_process_ran_is_run_by_another() {
    let server = PostgresServer::shared();
    let url = server.database();
    let options = ProbeOptions::postgres(&url).lease("500ms");
    let doomed = options.start();
    acknowledged(&doomed, "evt_1", r#"{"a":{"sleep_ms":60000}}"#).await;
    doomed.saw("start", "a", "evt_1", 1).await;
    doomed.saw("end", "b", "evt_1", 1).await;
    doomed.process.kill9();
    let other = options.start();
    other.saw("start", "a", "evt_1", 2).await;
}

/// The lease is renewed from a thread of its own: neither the one thread that the listener blocks nor the time that it
/// takes lets another process have the run.
#[tokio::test(flavor = "multi_thread")]
async fn blocking_listener_keeps_lease() {
    let server = PostgresServer::shared();
    let url = server.database();
    let options = ProbeOptions::postgres(&url).lease("2s");
    let (blocked, other) = (options.clone().one_thread().start(), options.start());
    other.process.stop();
    acknowledged(&blocked, "evt_1", r#"{"a":{"block_ms":5000}}"#).await;
    blocked.saw("start", "a", "evt_1", 1).await;
    other.process.resume();
    blocked.saw("end", "a", "evt_1", 1).await;
    settled(&server, &url).await;
    let deeds = blocked.finish().and(other.finish());
    assert_eq!(deeds.starts("a", "evt_1"), 1);
}

/// A process that no longer reaches the server cancels what it runs before another is given it.
#[tokio::test(flavor = "multi_thread")]
async fn partitioned_worker_stops_first() {
    let server = PostgresServer::shared();
    let url = server.database();
    let way = Relay::to(server.address()).await;
    let port = |address: std::net::SocketAddr| format!(":{}/", address.port());
    let through = url.replace(&port(server.address()), &port(way.address()));
    let cut_off = ProbeOptions::postgres(&through).lease("1s").start();
    acknowledged(&cut_off, "evt_1", r#"{"a":{"sleep_ms":60000}}"#).await;
    cut_off.saw("start", "a", "evt_1", 1).await;
    cut_off.saw("end", "b", "evt_1", 1).await;
    let other = ProbeOptions::postgres(&url).lease("1s").start();
    way.cut();
    let told = async {
        cut_off.logged("the lease could not be kept").await;
        Instant::now()
    };
    let taken = async {
        other.saw("start", "a", "evt_1", 2).await;
        Instant::now()
    };
    let (told, taken) = tokio::join!(told, taken);
    assert!(told <= taken, "two at a time for {:?}", told - taken);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_process_settles_nothing_that_is_anothers() {
    let server = PostgresServer::shared();
    let url = server.database();
    let options = ProbeOptions::postgres(&url).lease("500ms");
    let paused = options.start();
    acknowledged(&paused, "evt_1", r#"{"a":{"sleep_ms":300}}"#).await;
    paused.saw("start", "a", "evt_1", 1).await;
    paused.process.stop();
    let other = options.start();
    other.saw("end", "a", "evt_1", 2).await;
    settled(&server, &url).await;
    paused.process.resume();
    // Either it notices that its lease is over, or the server tells it.
    paused.process.stderr().line(|it| it.contains("taken away") || it.contains("could not be kept")).await;
    let attempts = "SELECT attempt || ' ' || state FROM webhooks.runs WHERE listener = 'a'";
    assert_eq!(server.query_in(&url, attempts), "2 1");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_server_is_a_503_and_mends_itself() {
    let mut server = Options::default().durable().start();
    let probe = ProbeOptions::postgres(&server.url()).lease("2s").start();
    acknowledged(&probe, "before", "{}").await;
    server.kill9();
    let refused = probe.deliver("meanwhile", "{}").await.expect("an answer");
    assert_eq!(refused.status, 503);
    assert!(refused.header("retry-after").is_some());
    server.restart();
    acknowledged(&probe, "meanwhile", "{}").await;
    settled(&server, &server.url()).await;
    let deeds = probe.finish();
    for id in ["before", "meanwhile"] {
        assert!(deeds.ends("a", id) >= 1, "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_is_a_503_in_time() {
    let server = PostgresServer::start();
    let probe = ProbeOptions::postgres(&server.url()).lease("2s").start();
    acknowledged(&probe, "before", "{}").await;
    server.stop();
    let refused = tokio::time::timeout(PATIENCE, probe.deliver("meanwhile", "{}")).await;
    assert_eq!(refused.expect("an answer in time").expect("an answer").status, 503);
    server.resume();
    acknowledged(&probe, "meanwhile", "{}").await;
    settled(&server, &server.url()).await;
    assert!(probe.finish().ends("a", "meanwhile") >= 1);
}

/// How long the sweep goes on; the program `soak` goes on for longer.
const SWEEP: Duration = Duration::from_secs(8);

/// Clients post to two processes on one database, one of which is killed again and again, and now and then the server.
/// Every event that was acknowledged is handled by both listeners, and none is completed twice.
#[tokio::test(flavor = "multi_thread")]
async fn kill9_sweep() {
    let mut server = Options::default().durable().start();
    let url = server.url();
    let options = ProbeOptions::postgres(&url).lease("1s").line("concurrency = 8");
    let probes: Arc<Mutex<Vec<Arc<Probe>>>> = Arc::default();
    for _ in 0..2 {
        probes.lock().expect("no test panics in here").push(Arc::new(options.start()));
    }
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..6)
        .map(|client| {
            let (stop, probes) = (Arc::clone(&stop), Arc::clone(&probes));
            tokio::spawn(async move {
                let mut acknowledged = BTreeSet::new();
                for number in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let id = format!("evt_{client}_{number}");
                    let instructions = match number % 5 {
                        0 => r#"{"a":{"fail":1},"b":{"sleep_ms":5}}"#,
                        _ => r#"{"a":{"sleep_ms":1}}"#,
                    };
                    let probe = Arc::clone(&probes.lock().expect("no test panics in here")[client % 2]);
                    match probe.deliver(&id, instructions).await {
                        Ok(response) if response.status == 200 => {
                            acknowledged.insert(id);
                        }
                        // Refused, or cut off before the answer: a provider would send it again.
                        _ => tokio::time::sleep(Duration::from_millis(20)).await,
                    }
                }
                acknowledged
            })
        })
        .collect();
    let (began, mut kills, mut deeds) = (Instant::now(), 0, Deeds::default());
    while began.elapsed() < SWEEP {
        tokio::time::sleep(Duration::from_millis(300 + 97 * (kills % 7))).await;
        if kills % 6 == 5 {
            server.kill9();
            server.restart();
        } else {
            let next = Arc::new(options.start());
            let at = usize::try_from(kills % 2).expect("zero or one");
            let killed = std::mem::replace(&mut probes.lock().expect("no test panics in here")[at], next);
            deeds = deeds.and(killed.finish());
        }
        kills += 1;
    }
    stop.store(true, Ordering::Relaxed);
    let mut acknowledged = BTreeSet::new();
    for client in join_all(clients).await {
        acknowledged.extend(client.expect("no client panics"));
    }
    settled(&server, &url).await;
    // What was at work at three kills in a row is given up, and begun afresh by an operator.
    options.operate(&["replay", "--reason", "crash_loop"]);
    settled(&server, &url).await;
    // Nothing acknowledged is missing, and everything is completed, each listener's part once.
    let completed = server.query_in(
        &url,
        "SELECT e.event_id FROM webhooks.events e JOIN webhooks.runs r ON r.event = e.id
         GROUP BY e.id HAVING count(*) FILTER (WHERE r.state = 1) = 2",
    );
    let completed: BTreeSet<String> = completed.lines().map(str::to_owned).collect();
    let lost: Vec<_> = acknowledged.difference(&completed).collect();
    assert!(lost.is_empty(), "acknowledged and not completed: {lost:?}");
    let stored_twice =
        "SELECT count(*) FROM (SELECT key FROM webhooks.events GROUP BY key HAVING count(*) > 1) AS twice";
    assert_eq!(server.query_in(&url, stored_twice), "0");
    for probe in probes.lock().expect("no test panics in here").iter() {
        deeds = deeds.and(probe.finish());
    }
    for id in &acknowledged {
        assert!(deeds.ends("a", id) >= 1 && deeds.ends("b", id) >= 1, "{id}");
    }
    assert!(acknowledged.len() > 50, "there was hardly any load: {}", acknowledged.len());
    println!("{} acknowledged, {kills} kills", acknowledged.len());
}
