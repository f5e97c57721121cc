//! Programs: lines, signals, ends.

use support::process::{PATIENCE, Program, Signal};

#[test]
fn lines_are_kept_in_order() {
    let program = Program::at("/bin/sh").args(["-c", "echo one; echo two >&2; echo three; exec sleep 60"]);
    let process = program.start();
    assert_eq!(process.stdout().wait_for(|line| line.starts_with("th")), "three");
    assert_eq!(process.stdout().so_far(), ["one", "three"]);
    assert_eq!(process.stderr().wait_for(|_| true), "two");
}

#[tokio::test]
async fn lines_can_be_awaited() {
    let script = "for i in 1 2 3; do echo $i; sleep 0.05; done; exec sleep 60";
    let process = Program::at("/bin/sh").args(["-c", script]).start();
    assert_eq!(process.stdout().line(|line| line == "3").await, "3");
    assert_eq!(process.stdout().line_from(1, |_| true).await, "2");
}

#[test]
#[should_panic = "the line did not come"]
fn a_line_that_cannot_come_is_not_waited_for() {
    Program::at("/bin/echo").arg("other").start().stdout().wait_for(|line| line == "this");
}

#[test]
fn signals_and_ends() {
    let process = Program::at("/bin/sleep").arg("60").start();
    assert!(process.ended().is_none());
    process.signal(Signal::SIGTERM);
    assert_eq!(process.wait(PATIENCE).code(), None);
    process.kill9();
}

#[test]
fn settings_of_the_surroundings_are_not_handed_on() {
    let process = Program::at("/usr/bin/env").env("WEBHOOKS_CONFIG", "a.toml").start();
    process.wait(PATIENCE);
    process.stdout().wait_for(|line| line == "WEBHOOKS_CONFIG=a.toml");
    assert!(!process.stdout().so_far().iter().any(|line| line.starts_with("WEBHOOKS_TEST_REDIS_SERVER")));
}

#[test]
fn ports_differ() {
    let mut ports: Vec<_> = (0..100).map(|_| support::free_port()).collect();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), 100);
}
