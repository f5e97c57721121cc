//! The inbox when processes die and disks are full.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "figures of a run, and what was skipped")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::inbox::{self, InboxFolder, InboxProbe, settled, until};
use support::inside::Inside;
use support::sample;
use webhooks::{RunState, Selection};

/// How long the sweep goes on; a soak sets more.
fn patience() -> Duration {
    let seconds = std::env::var("WEBHOOKS_TEST_SOAK_SECONDS").ok().and_then(|it| it.parse().ok());
    Duration::from_secs(seconds.unwrap_or(8))
}

/// What listeners ended, over all processes: `(listener, event)`.
fn ended(deeds: &[Value]) -> Vec<(String, String)> {
    let ended = deeds.iter().filter(|line| line["at"] == "end");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    ended.map(|line| (text(&line["listener"]), text(&line["id"]))).collect()
}

/// Clients post while the service is killed again and again. Every event that was acknowledged is there afterwards, and
/// has been handled by both listeners.
#[tokio::test(flavor = "multi_thread")]
async fn kill9_sweep() {
    let folder = InboxFolder::new().setting("concurrency = 8");
    let stop = Arc::new(AtomicBool::new(false));
    let mut probe = folder.start_probe();
    let address = Arc::new(std::sync::Mutex::new(probe.address()));
    let clients: Vec<_> = (0..8)
        .map(|client| {
            let (stop, address) = (Arc::clone(&stop), Arc::clone(&address));
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                for number in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let id = format!("evt_{client}_{number}");
                    let instructions = match number % 5 {
                        0 => r#"{"a":{"fail":1},"b":{"sleep_ms":5}}"#,
                        _ => r#"{"a":{"sleep_ms":1}}"#,
                    };
                    let to = *address.lock().expect("no test panics in here");
                    match inbox::deliver(to, &id, instructions).await {
                        Ok(response) if response.status == 200 => acknowledged.push(id),
                        // Refused, or cut off before the answer: a provider would send it again.
                        _ => tokio::time::sleep(Duration::from_millis(20)).await,
                    }
                }
                acknowledged
            })
        })
        .collect();
    let (began, mut kills, mut deeds) = (Instant::now(), 0, Vec::new());
    while began.elapsed() < patience() {
        tokio::time::sleep(Duration::from_millis(150 + 97 * (kills % 7))).await;
        probe.process.kill9();
        kills += 1;
        probe.process.stdout().to_the_end();
        deeds.extend(probe.deeds());
        probe = folder.start_probe();
        *address.lock().expect("no test panics in here") = probe.address();
    }
    stop.store(true, Ordering::Relaxed);
    let mut acknowledged = BTreeSet::new();
    for client in clients {
        acknowledged.extend(client.await.expect("no client panics"));
    }
    let all = || [deeds.clone(), probe.deeds()].concat();
    until(async || {
        let ended: BTreeSet<_> = ended(&all()).into_iter().collect();
        let both = |id: &String| {
            ["a", "b"].iter().all(|listener| ended.contains(&((*listener).to_owned(), id.clone())))
        };
        acknowledged.iter().all(both)
    })
    .await;
    assert!(acknowledged.len() > 50, "there was hardly any load: {}", acknowledged.len());
    println!("{} acknowledged, {kills} kills, {} runs ended", acknowledged.len(), ended(&all()).len());
}

#[tokio::test]
async fn crash_loop_dead() {
    let folder = InboxFolder::new();
    let mut probe = folder.start_probe();
    assert_eq!(
        probe.deliver("culprit", r#"{"a":{"sleep_ms":300,"abort":true}}"#).await.expect("an answer").status,
        200
    );
    for number in 0..5 {
        let sent = probe
            .deliver(&format!("innocent_{number}"), r#"{"a":{"sleep_ms":400},"b":{"sleep_ms":400}}"#)
            .await;
        assert_eq!(sent.expect("an answer").status, 200);
    }
    let mut deeds = Vec::new();
    let mut crashes = 0;
    let given_up =
        |probe: &InboxProbe| probe.process.stderr().so_far().iter().any(|it| it.contains("crash_loop"));
    while done_with(&deeds, &probe) < 11 || !given_up(&probe) {
        if probe.process.ended().is_some() {
            crashes += 1;
            probe.process.stdout().to_the_end();
            deeds.extend(probe.deeds());
            assert!(crashes <= 3, "it aborts the process without end");
            probe = folder.start_probe();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(crashes, 3);
    // The other listener of the same event is not at fault.
    let all = [deeds, probe.deeds()].concat();
    assert!(ended(&all).contains(&("b".to_owned(), "culprit".to_owned())));
    let told = probe.process.stderr().wait_for(|line| line.contains("crash_loop"));
    assert!(told.contains("culprit"), "{told}");
    assert!(probe.process.ended().is_none(), "the process lives");
}

/// Both listeners of five events, and one of the culprit's.
fn done_with(deeds: &[Value], probe: &InboxProbe) -> usize {
    let all = [deeds.to_vec(), probe.deeds()].concat();
    ended(&all).into_iter().collect::<BTreeSet<_>>().len()
}

/// A file system of one megabyte, unmounted when dropped. `None` where one may not mount.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(folder.path()).output();
        mount.is_ok_and(|it| it.status.success()).then_some(Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the inbox closes its files in a thread of its own.
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn disk_full() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("skipped: a file system cannot be mounted here");
        return;
    };
    let folder = InboxFolder::at(disk.path());
    let inside = Inside::with(folder.sources(&["stripe"])).await;
    let inbox = inside.webhooks.inbox().expect("an inbox is configured");
    let ballast = disk.path().join("ballast");
    assert_eq!(inside.send(sample::of("stripe", "before")).await.status, 200);
    settled(&inbox).await;

    // As much as there is.
    let _ = std::fs::write(&ballast, vec![0; 2 << 20]);
    let mut acknowledged = Vec::new();
    let mut refused = 0;
    for number in 0..200 {
        let id = format!("evt_{number}");
        match inside.send(sample::of("stripe", &id)).await.status.as_u16() {
            200 => acknowledged.push(id),
            503 => refused += 1,
            other => panic!("answered {other}"),
        }
    }
    assert!(refused > 0, "the disk was never full");

    std::fs::remove_file(&ballast).expect("the ballast is there");
    let taken = async || inside.send(sample::of("stripe", "after")).await.status == 200;
    until(taken).await;
    acknowledged.push("after".to_owned());
    settled(&inbox).await;
    let heard: BTreeSet<_> = inside.heard_ids().into_iter().collect();
    assert!(acknowledged.iter().all(|id| heard.contains(id)), "what was acknowledged was handled");
    let dead = inbox.list(Selection::new().state(RunState::Dead)).await.expect("an inbox");
    assert!(dead.is_empty(), "{dead:?}");
}
