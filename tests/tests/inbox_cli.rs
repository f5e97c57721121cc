//! Operators look into the inbox with the service's own binary, while it runs.

use support::inbox::{InboxFolder, until};
use support::process::{PATIENCE, Program};

fn operate(folder: &InboxFolder, line: &str) -> (bool, String) {
    let program = Program::built("probe").env("WEBHOOKS_CONFIG", folder.settings_file());
    let process = program.arg("webhooks").args(line.split_whitespace()).start();
    let status = process.wait(PATIENCE);
    let output = [process.stdout().to_the_end(), process.stderr().to_the_end()].concat().join("\n");
    (status.success(), output)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_finds_replays_and_drops() {
    let folder = InboxFolder::new();
    let probe = folder.start_probe();
    for (id, instructions) in [("evt_good", "{}"), ("evt_bad", r#"{"a":{"permanent":true}}"#)] {
        assert_eq!(probe.deliver(id, instructions).await.expect("an answer").status, 200);
    }
    let asked = |line: &str| {
        let (success, output) = operate(&folder, line);
        assert!(success, "{line}: {output}");
        output
    };
    until(async || asked("backlog").contains("a: pending 0; dead 1")).await;

    let dead = asked("list --state dead");
    assert!(dead.contains("evt_bad") && !dead.contains("evt_good"), "{dead}");
    let number = dead.split_whitespace().next().expect("a number");
    let shown = asked(&format!("show {number}"));
    assert!(shown.contains("told to, for good") && shown.contains("attempt 1"), "{shown}");
    assert!(asked("explain evt_bad").contains("no repetition would help"));
    assert!(asked("explain evt_good").contains("handled"));

    assert!(asked("replay --event evt_bad").contains("1 runs begin afresh"));
    until(async || asked(&format!("show {number}")).contains("after 2 attempts, replayed by an operator"))
        .await;
    assert!(asked("drop --listener a").contains("1 runs dropped"));
    assert!(asked("list --state dead").contains("Nothing is selected"));
    assert!(probe.process.ended().is_none());
}

#[tokio::test]
async fn mistakes_change_nothing() {
    let folder = InboxFolder::new();
    drop(folder.start_probe());
    for (line, complaint) in [
        ("drop", "`--all` is everything"),
        ("frobnicate", "is no command"),
        ("list --stat dead", "no part of a selection"),
    ] {
        let (success, output) = operate(&folder, line);
        assert!(!success && output.contains(complaint), "{line}: {output}");
        assert!(output.contains("the command cannot be carried out: 1 problem\n"), "{line}: {output}");
    }
    let (success, output) = operate(&folder, "help");
    assert!(success && output.contains("webhooks replay SELECTION"), "{output}");
}
