//! An inbox in a file belongs to one process; the next takes it over.

use support::inbox::{InboxFolder, InboxProbe, until};
use support::inside::{Inside, Recorder};
use support::process::PATIENCE;
use support::sample;

/// Soon told that it may not have the inbox.
fn impatient(folder: &InboxFolder) -> InboxProbe {
    folder.launch_probe(|program| program.env("WEBHOOKS_SHUTDOWN_GRACE", "1ms"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_is_kept_out() {
    let folder = InboxFolder::new();
    let first = folder.start_probe();
    let second = impatient(&folder);
    assert!(!second.process.wait(PATIENCE).success());
    let told = second.process.stderr().to_the_end().join("\n");
    assert!(told.contains("waiting until it has left"), "{told}");
    assert!(told.contains("is another process's: an inbox has one"), "{told}");
    assert_eq!(first.deliver("evt_1", "{}").await.expect("an answer").status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_waits_until_the_first_has_left() {
    let folder = InboxFolder::new();
    let first = folder.start_probe();
    assert_eq!(first.deliver("evt_1", r#"{"a":{"sleep_ms":500}}"#).await.expect("an answer").status, 200);
    first.process.stdout().line(|line| line.contains("start")).await;
    let second = folder.launch_probe(|program| program);
    second.process.stderr().line(|line| line.contains("waiting until it has left")).await;
    first.process.terminate();
    second.process.wait_until_listening(second.address());
    assert!(first.process.wait(PATIENCE).success());
    assert!(
        first.deeds().iter().any(|deed| deed["at"] == "end" && deed["listener"] == "a"),
        "it ended its run"
    );
    assert_eq!(second.deliver("evt_2", "{}").await.expect("an answer").status, 200);
    until(async || second.deeds().len() == 4).await;
}

/// Closing any descriptor of a file gives up all locks that the process has on it. A second inbox that could not be
/// opened here must not open the door to another process.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_start_in_the_same_process_costs_no_lock() {
    let folder = InboxFolder::new();
    let first = Inside::with(folder.sources(&["stripe"])).await;
    let second = folder.sources(&["stripe"]).listener(Recorder::new("stripe")).build().await;
    let error = second.expect_err("the inbox is in use").to_string();
    assert!(error.contains("in use in this very process"), "{error}");

    let other = impatient(&folder);
    assert!(!other.process.wait(PATIENCE).success(), "the lock is held");
    assert_eq!(first.send(sample::of("stripe", "evt_1")).await.status, 200);
    until(async || first.heard().len() == 1).await;
}

/// By another name the file is the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_to_the_file_is_no_way_round_the_lock() {
    let (folder, beside) = (InboxFolder::new(), InboxFolder::new());
    let _first = folder.start_probe();
    std::os::unix::fs::symlink(folder.file(), beside.file()).expect("a link");
    assert!(!impatient(&beside).process.wait(PATIENCE).success());
}

/// What is acknowledged after others have looked in is still there after a kill: nobody has taken away the log that it
/// was written to.
#[tokio::test(flavor = "multi_thread")]
async fn looking_in_takes_nothing_away() {
    let folder = InboxFolder::new();
    let first = folder.start_probe();
    for _ in 0..3 {
        let looking = folder.launch_probe(|program| program.arg("webhooks").arg("backlog"));
        assert!(looking.process.wait(PATIENCE).success());
    }
    let slow = r#"{"a":{"sleep_ms":60000},"b":{"sleep_ms":60000}}"#;
    assert_eq!(first.deliver("evt_1", slow).await.expect("an answer").status, 200);
    first.process.kill9();
    let next = folder.start_probe();
    next.process.stdout().line(|line| line.contains("evt_1")).await;
}
