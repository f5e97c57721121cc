//! The service that fault tests drive: two listeners on every source that do what the event tells them.
//!
//! Settings come from `WEBHOOKS_CONFIG`. An event's `{"probe": {"a": {…}, "b": {…}}}` instructs the listeners; one
//! without an instruction succeeds. Each prints what it does as lines of JSON, flushed. With `PROBE_THREADS=1` all runs
//! on one thread.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::value::RawValue;
use webhooks::{Failure, WebhookEvent, webhook_listener};

/// What one listener is to do.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Instruction {
    /// Awaits that long.
    sleep_ms: u64,
    /// Awaits that this file is there.
    until: Option<PathBuf>,
    /// Blocks its thread that long.
    block_ms: u64,
    /// Fails the first that many attempts.
    fail: u32,
    /// Fails for good.
    permanent: bool,
    panic: bool,
    abort: bool,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Instructions {
    a: Instruction,
    b: Instruction,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Body<'a> {
    #[serde(borrow)]
    probe: Option<&'a RawValue>,
}

#[webhook_listener(source = "*", id = "a")]
async fn a(event: WebhookEvent) -> webhooks::Result {
    let instructions = instructions(&event)?;
    follow("a", &instructions.a, &event).await
}

#[webhook_listener(source = "*", id = "b")]
async fn b(event: WebhookEvent) -> webhooks::Result {
    let instructions = instructions(&event)?;
    follow("b", &instructions.b, &event).await
}

async fn follow(listener: &str, instruction: &Instruction, event: &WebhookEvent) -> webhooks::Result {
    say("start", listener, event)?;
    if instruction.sleep_ms > 0 {
        tokio::time::sleep(Duration::from_millis(instruction.sleep_ms)).await;
    }
    while instruction.until.as_ref().is_some_and(|file| !file.exists()) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    if instruction.block_ms > 0 {
        std::thread::sleep(Duration::from_millis(instruction.block_ms));
    }
    if instruction.abort {
        std::process::abort();
    }
    if instruction.panic {
        say("fail", listener, event)?;
        panic!("told to");
    }
    if instruction.permanent {
        say("fail", listener, event)?;
        return Err(Failure::permanent("told to, for good"));
    }
    if event.attempt() <= instruction.fail {
        say("fail", listener, event)?;
        return Err("told to".into());
    }
    say("end", listener, event)
}

/// The instructions stand at the top of the body, or of the payload, whichever the provider makes of it.
fn instructions(event: &WebhookEvent) -> webhooks::Result<Instructions> {
    // A batch is no object, but serde would read one of a single part as if it were.
    let objects =
        [event.body(), event.payload()].into_iter().filter(|it| it.trim_ascii_start().starts_with(b"{"));
    for json in objects {
        if let Ok(Body { probe: Some(probe) }) = serde_json::from_slice(json) {
            return Ok(serde_json::from_str(probe.get())?);
        }
    }
    Ok(Instructions::default())
}

fn say(at: &str, listener: &str, event: &WebhookEvent) -> webhooks::Result {
    let line = serde_json::json!({
        "at": at,
        "source": event.source(),
        "id": event.id(),
        "type": event.event_type(),
        "attempt": event.attempt(),
        "listener": listener,
        "pid": std::process::id(),
    });
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()?;
    Ok(())
}

fn main() -> Result<(), webhooks::Error> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(std::io::stderr).init();
    let one_thread = std::env::var("PROBE_THREADS").is_ok_and(|it| it == "1");
    let mut runtime = match one_thread {
        true => tokio::runtime::Builder::new_current_thread(),
        false => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = runtime.enable_all().build().expect("a runtime");
    runtime.block_on(async {
        if webhooks::cli(std::env::args()).await? {
            return Ok(());
        }
        webhooks::autoconfigure().await?.serve().await
    })
}
