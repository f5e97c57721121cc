//! A soak, short: `cargo run --release -p soak` is for long ones.

#![allow(clippy::print_stdout, reason = "figures of a run")]

use std::time::Duration;

use support::process::Program;

/// How long it goes on; a longer one by whoever sets it.
fn seconds() -> u64 {
    std::env::var("WEBHOOKS_TEST_SOAK_SECONDS").ok().and_then(|it| it.parse().ok()).unwrap_or(6)
}

fn soak(engine: &str) {
    let mut program = Program::built("soak").args(["--seconds", &seconds().to_string(), "--engine", engine]);
    for name in ["WEBHOOKS_TEST_PG_BIN", "WEBHOOKS_TEST_PG_USER"] {
        program = std::env::var(name).into_iter().fold(program, |program, value| program.env(name, value));
    }
    let process = program.start();
    let status = process.wait(Duration::from_secs(seconds() * 2 + 120));
    let told = process.stdout().to_the_end().join("\n");
    println!("{told}");
    assert!(status.success() && told.contains("none was completed twice"), "{}", process.output());
}

#[test]
fn sqlite_under_kills() {
    soak("sqlite");
}

#[test]
fn postgres_under_kills() {
    soak("postgres");
}
