//! What the attribute costs to build: 1000 annotated listeners against 1000 plain functions that a `match` calls.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::AnyError;
use crate::rounds::median;

const FUNCTIONS: usize = 1_000;
const ROUNDS: usize = 3;

/// A program of so many handlers.
type Program = fn(usize) -> String;

pub(crate) fn run() -> Result<(), AnyError> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/benchmarks/macros");
    println!(
        "| {FUNCTIONS} handlers | debug build, s | release build, s | binary, KiB | a handler, bytes |\n|---|---|---|---|---|"
    );
    for (name, program) in [("plain functions, in a `match`", plain as Program), ("annotated", annotated)] {
        // With one handler everything that is not the handlers' own is there already.
        let [one, many] = [1, FUNCTIONS].map(|count| Measured::of(&folder, &program(count)));
        let (one, many) = (one?, many?);
        println!(
            "| {name} | {:.1} | {:.1} | {:.0} | {:.0} |",
            many.debug - one.debug,
            many.release - one.release,
            many.bytes / 1024.0,
            (many.bytes - one.bytes) / (FUNCTIONS - 1) as f64,
        );
    }
    println!("\nThe times are what the {FUNCTIONS} add to a build of one; medians of {ROUNDS}.");
    Ok(())
}

/// Seconds of the program's own crate, its dependencies being built, and the size of its stripped binary.
struct Measured {
    debug: f64,
    release: f64,
    bytes: f64,
}

impl Measured {
    fn of(folder: &Path, program: &str) -> Result<Self, AnyError> {
        std::fs::create_dir_all(folder.join("src"))?;
        std::fs::write(folder.join("Cargo.toml"), MANIFEST.replace("ROOT", env!("CARGO_MANIFEST_DIR")))?;
        // The versions of this workspace, or the build would look for others.
        std::fs::copy(
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.lock"),
            folder.join("Cargo.lock"),
        )?;
        let (mut debug, mut release) = (Vec::new(), Vec::new());
        for round in 0..=ROUNDS {
            // Changed, so that it is built again. The first round builds the dependencies and does not count.
            std::fs::write(folder.join("src/main.rs"), format!("// {round}\n{program}"))?;
            let times = [build(folder, &[])?, build(folder, &["--release"])?];
            if round > 0 {
                debug.push(times[0]);
                release.push(times[1]);
            }
        }
        let bytes = std::fs::metadata(folder.join("target/release/handlers"))?.len() as f64;
        Ok(Self { debug: median(debug), release: median(release), bytes })
    }
}

fn build(folder: &Path, options: &[&str]) -> Result<f64, AnyError> {
    let began = Instant::now();
    let target = folder.join("target");
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--quiet"]).args(options).current_dir(folder).env("CARGO_TARGET_DIR", target);
    // Every build compiles all there is to compile: that is what is measured.
    cargo.env("CARGO_INCREMENTAL", "0");
    if !cargo.status()?.success() {
        return Err(format!("{} does not build", folder.display()).into());
    }
    Ok(began.elapsed().as_secs_f64())
}

const MANIFEST: &str = r#"
[workspace]

[package]
name = "handlers"
version = "0.0.0"
edition = "2024"
publish = false

[dependencies]
serde = { version = "1", features = ["derive"] }
serde_json = "1"
tokio = { version = "1", features = ["macros", "rt-multi-thread"] }
webhooks = { path = "ROOT/../../webhooks" }

[profile.release]
strip = true
"#;

const COMMON: &str = r#"
#[derive(serde::Deserialize)]
struct Payment { amount: u64 }

static SEEN: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
fn see(amount: u64) { SEEN.fetch_add(amount, std::sync::atomic::Ordering::Relaxed); }
"#;

fn annotated(count: usize) -> String {
    let mut program = format!("use webhooks::{{Event, webhook_listener}};\n{COMMON}");
    for at in 0..count {
        let _ = write!(
            program,
            "#[webhook_listener(source = \"hmac\", event = \"type.{at}\")]\n\
             async fn on_{at}(Event(payment): Event<Payment>) -> webhooks::Result {{ see(payment.amount + {at}); Ok(()) }}\n"
        );
    }
    program
        + "#[tokio::main]\nasync fn main() -> Result<(), webhooks::Error> { webhooks::autoconfigure().await?.serve().await }\n"
}

/// The library is there too, so that the sizes differ by the handlers alone.
fn plain(count: usize) -> String {
    let mut program = COMMON.to_owned();
    for at in 0..count {
        let _ = writeln!(
            program,
            "async fn on_{at}(payment: Payment) -> webhooks::Result {{ see(payment.amount + {at}); Ok(()) }}"
        );
    }
    program += "async fn dispatch(kind: &str, body: &[u8]) -> webhooks::Result {\n    match kind {\n";
    for at in 0..count {
        let _ = writeln!(program, "        \"type.{at}\" => on_{at}(serde_json::from_slice(body)?).await,");
    }
    program
        + "        _ => Ok(()),\n    }\n}\n\
           #[tokio::main]\nasync fn main() -> Result<(), webhooks::Error> {\n\
               for kind in std::env::args() { let _ = dispatch(&kind, b\"{\\\"amount\\\": 1}\").await; }\n\
               webhooks::autoconfigure().await?.serve().await\n}\n"
}
