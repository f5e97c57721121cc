//! The inbox when processes die and disks fail.

#![allow(clippy::print_stdout, reason = "figures of a run")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::inbox::{self, InboxFolder, InboxProbe, until};
use support::process::PATIENCE;

/// How long the sweep goes on; the program `soak` goes on for longer.
const SWEEP: Duration = Duration::from_secs(8);

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
    while began.elapsed() < SWEEP {
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
    assert!(acknowledged.len() > 50, "there was hardly any load: {}", acknowledged.len());
    println!("{} acknowledged, {kills} kills", acknowledged.len());
    probe.process.terminate();
    assert!(probe.process.wait(PATIENCE).success());
    deeds.extend(probe.deeds());
    inbox::each_was_completed_once(&folder, deeds, &acknowledged).await;
}

/// An event that takes its process with it is given up, and no other with it. Everything else that was under way is run
/// again, one by one.
#[tokio::test]
async fn crash_loop_dead() {
    let folder = InboxFolder::new();
    let trigger = folder.settings_file().with_file_name("now");
    let mut probe = folder.start_probe();
    let culprit = format!(r#"{{"a":{{"until":"{}","abort":true}}}}"#, trigger.display());
    assert_eq!(probe.deliver("culprit", &culprit).await.expect("an answer").status, 200);
    let innocent = format!(r#"{{"a":{{"until":"{0}"}},"b":{{"until":"{0}"}}}}"#, trigger.display());
    for number in 0..5 {
        let sent = probe.deliver(&format!("innocent_{number}"), &innocent).await;
        assert_eq!(sent.expect("an answer").status, 200);
    }
    // All twelve runs are under way when it happens.
    until(async || probe.deeds().iter().filter(|deed| deed["at"] == "start").count() == 12).await;
    std::fs::write(&trigger, "").expect("a file");

    let (mut deeds, mut crashes) = (Vec::new(), 0);
    let given_up =
        |probe: &InboxProbe| probe.process.stderr().so_far().iter().any(|it| it.contains("crash_loop"));
    let began = Instant::now();
    while done_with(&deeds, &probe) < 11 || !given_up(&probe) {
        if probe.process.ended().is_some() {
            crashes += 1;
            probe.process.stdout().to_the_end();
            deeds.extend(probe.deeds());
            assert!(crashes <= 3, "it aborts the process without end");
            // It may be gone again before it could be seen to listen.
            probe = folder.launch_probe(|it| it);
        }
        assert!(began.elapsed() < PATIENCE * 3, "it does not end:\n{}", probe.process.output());
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

/// One process after the other is killed in the middle of what it does: at its first such system call, at its second,
/// and so on through its start and through what it does for an event, `most` times in all after its start.
async fn kill_at_each(folder: &InboxFolder, calls: &str, step: usize, most: usize) {
    drop(folder.start_probe());
    let (mut deeds, mut acknowledged, mut starts, mut under_way) = (Vec::new(), BTreeSet::new(), 0, 0);
    for call in (1..).step_by(step) {
        let probe = folder.launch_probe(|it| {
            it.env("PROBE_THREADS", "1").tampered(&format!("{calls}:signal=KILL:when={call}"))
        });
        let gone = || probe.process.ended().is_some();
        until(async || gone() || std::net::TcpStream::connect(probe.address()).is_ok()).await;
        let mut events = 0;
        while !gone() {
            let id = format!("evt_{call}_{events}");
            let answer = probe.deliver(&id, "{}").await;
            until(async || gone() || ended(&probe.deeds()).iter().filter(|it| it.1 == id).count() == 2).await;
            acknowledged.extend(answer.is_ok_and(|it| it.status == 200).then_some(id));
            events += 1;
            assert!(events < 200, "nothing kills it");
        }
        probe.process.stdout().to_the_end();
        deeds.extend(probe.deeds());
        (starts, under_way) = if events == 0 { (starts + 1, under_way) } else { (starts, under_way + 1) };
        if under_way == most {
            break;
        }
    }
    println!(
        "killed {starts} times at the start, {under_way} times under way; {} acknowledged",
        acknowledged.len()
    );
    assert!(!acknowledged.is_empty());
    inbox::each_was_completed_once(folder, deeds, &acknowledged).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_every_commit() {
    kill_at_each(&InboxFolder::new(), "fdatasync,fsync", 1, 12).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_of_writing() {
    kill_at_each(&InboxFolder::new(), "pwrite64", 5, 12).await;
}

/// What a process does after it has waited is seen by others as what it writes next: to a provider, or to the server of
/// its inbox. It is killed in front of each of these, and of each answer before it was read.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_every_await() {
    kill_at_each(&InboxFolder::new(), "sendto,recvfrom,write,writev", 1, 24).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_every_await_with_postgres() {
    let folder = InboxFolder::in_postgres().setting("lease = \"300ms\"");
    kill_at_each(&folder, "sendto,recvfrom,writev", 1, 60).await;
}

/// While the disk says no, so does the service; once it does not, everything goes on, and what was acknowledged in
/// between is handled.
async fn the_disk_fails(injection: &str, reason: &str) {
    let folder = InboxFolder::new();
    let probe = folder.launch_probe(|program| program.tampered(injection));
    probe.process.wait_until_listening(probe.address());
    let (mut acknowledged, mut refused) = (BTreeSet::new(), 0);
    let began = Instant::now();
    for number in 0.. {
        let id = format!("evt_{number}");
        let response = probe.deliver(&id, "{}").await.expect("an answer");
        match response.status {
            200 => {
                acknowledged.insert(id);
                if refused > 0 {
                    break;
                }
            }
            503 => {
                refused += 1;
                assert!(response.text().contains(reason), "{}", response.text());
            }
            other => panic!("answered {other}"),
        }
        assert!(began.elapsed() < PATIENCE * 3, "refused {refused} times: {}", probe.process.output());
    }
    println!("{} acknowledged, {refused} refused", acknowledged.len());
    until(async || {
        let ended: BTreeSet<_> = ended(&probe.deeds()).into_iter().collect();
        acknowledged
            .iter()
            .all(|id| ["a", "b"].iter().all(|it| ended.contains(&((*it).to_owned(), id.clone()))))
    })
    .await;
    probe.process.terminate();
    assert!(probe.process.wait(PATIENCE).success());
    inbox::each_was_completed_once(&folder, probe.deeds(), &acknowledged).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fsync_error() {
    the_disk_fails("fdatasync,fsync:error=EIO:when=20..50", "store_unavailable").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn disk_full() {
    the_disk_fails("pwrite64:error=ENOSPC:when=200..300", "store_full").await;
}
