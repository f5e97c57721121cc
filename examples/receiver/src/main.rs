//! Receives from whatever sources the settings name, and prints each event as a line of JSON.
//!
//! ```text
//! WEBHOOKS_CONFIG=my-sources.toml cargo run -p receiver
//! ```
//!
//! Events go to stdout, logs to stderr (`RUST_LOG` chooses how much).

use std::io::Write;

use webhooks::{WebhookEvent, webhook_listener};

#[webhook_listener(source = "*")]
async fn print(event: WebhookEvent) -> webhooks::Result {
    let line = serde_json::json!({
        "source": event.source(),
        "id": event.id(),
        "type": event.event_type(),
        "attempt": event.attempt(),
    });
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), webhooks::Error> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    webhooks::autoconfigure().await?.serve().await
}
