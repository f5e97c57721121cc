//! A process leaves in order, and one that finds what a newer version wrote touches nothing.

use std::time::Duration;

use futures_util::future::join_all;
use support::fleet::{Probe, ProbeOptions};
use support::inbox::InboxFolder;
use support::inside::Recorder;
use support::process::{PATIENCE, Process};
use support::redis_server::RedisServer;
use support::sample;
use support::scripted::Count;
use tokio::time::{Instant, sleep, timeout};

/// Waits for the end of a process without holding up the others.
async fn end_of(process: &Process) -> std::process::ExitStatus {
    let ended = async {
        loop {
            if let Some(status) = process.ended() {
                return status;
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, ended).await.expect("it ends")
}

/// Delivers one event after the other until the process is gone, and says which were answered 200.
async fn load(probe: &Probe, client: usize, under_way: &Count) -> Load {
    let mut load = Load::default();
    for number in 0.. {
        let id = format!("evt_{client}_{number}");
        match probe.deliver(&id, r#"{"a":{"sleep_ms":20}}"#).await {
            Ok(answer) if answer.status == 200 => load.handled.push(id),
            Ok(answer) => {
                assert_eq!((answer.status, answer.header("retry-after").is_some()), (503, true));
                load.refused += 1;
            }
            Err(error) => {
                load.ended = Some((Instant::now(), error.to_string()));
                return load;
            }
        }
        under_way.add();
    }
    load
}

#[derive(Default)]
struct Load {
    handled: Vec<String>,
    refused: usize,
    ended: Option<(Instant, String)>,
}

#[tokio::test]
async fn drain_loses_nothing() {
    const DELAY: Duration = Duration::from_secs(1);
    let server = RedisServer::start();
    // Leases that nobody could wait for.
    let options = ProbeOptions::redis(&server.url()).lease("10m").setting("shutdown_grace = \"500ms\"");
    let leaving = options.clone().setting("drain_delay = \"1s\"").start();
    let staying = options.start();
    let under_way = Count::new();

    let unfinished = leaving.deliver("evt_long", r#"{"a":{"sleep_ms":60000}}"#);
    let clients = join_all((0..8).map(|client| load(&leaving, client, &under_way)));
    let end = async {
        leaving.saw("start", "a", "evt_long", 1).await;
        under_way.reach(100).await;
        let told = Instant::now();
        leaving.process.terminate();
        let before = under_way.get();
        under_way.reach(before + 50).await;
        assert!(told.elapsed() < PATIENCE);
        let status = end_of(&leaving.process).await;
        assert!(status.success(), "{status}\n{}", leaving.process.output());
        told
    };
    let (unfinished, loads, told) = tokio::join!(unfinished, clients, end);

    // Nobody was turned away before the delay was over, not even while connecting.
    for load in &loads {
        let (at, error) = load.ended.as_ref().expect("the process is gone");
        assert!(*at - told >= DELAY, "refused {:?} after the signal: {error}", *at - told);
        assert!(!load.handled.is_empty());
    }
    assert!(loads.iter().map(|load| load.refused).sum::<usize>() > 0, "503 from then on");
    let unfinished = unfinished.expect("an answer, for the run was cancelled");
    assert_eq!((unfinished.status, unfinished.header("retry-after").is_some()), (503, true));
    leaving.process.stderr().line(|line| line.contains("outcome=\"shutting_down\"")).await;

    // Its claim was given up: the other process need not wait for the lease.
    assert_eq!(staying.deliver("evt_long", "{}").await.expect("an answer").status, 200);
    staying.saw("end", "a", "evt_long", 2).await;
    // What was answered 200 is done, and known to be.
    let handled: Vec<_> = loads.iter().flat_map(|load| &load.handled).collect();
    for id in handled.iter().step_by(10) {
        assert_eq!(staying.deliver(id, "{}").await.expect("an answer").status, 200);
    }
    let (left, stayed) = (leaving.finish(), staying.finish());
    for id in &handled {
        assert_eq!((left.starts("a", id), stayed.starts("a", id)), (1, 0), "{id}");
    }
    assert_eq!(stayed.total("a"), 1);
}

/// Redis's records are in `redis_faults`; this is the inbox's file.
#[tokio::test]
async fn mixed_versions() {
    let folder = InboxFolder::new();
    let start = async || folder.sources(&["stripe"]).listener(Recorder::new("*")).build().await;
    let first = start().await.expect("a new one is made");
    assert_eq!(first.process(sample::of("stripe", "evt_1").into_request()).await.status, 200);
    drop(first);
    // The writer's thread ends a moment after its inbox.
    timeout(PATIENCE, async { while start().await.is_err() {} }).await.expect("it is free");

    let newer = |version: i64| {
        let file = rusqlite::Connection::open(folder.file()).expect("a database");
        file.pragma_update(None, "user_version", version).expect("a version");
    };
    newer(1_000);
    let refused = start().await.expect_err("nobody knows what the newer version keeps there").to_string();
    assert!(refused.contains("it was written by another version"), "{refused}");
    assert!(refused.contains("webhooks.db") && refused.contains("help: "), "{refused}");

    newer(1);
    let again = start().await.expect("it is as it was");
    let told = again.inbox().expect("an inbox is configured").explain("evt_1").await.expect("an answer");
    assert!(told.contains("payment_intent.succeeded"), "{told}");
}
