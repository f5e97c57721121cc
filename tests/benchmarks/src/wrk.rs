//! The HTTP path under wrk, which runs in a process of its own and counts for itself.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio::process::Command;
use webhooks::{Event, InMemoryWebhookEventStore, Webhooks, webhook_listener};

use crate::goal::at_least;
use crate::http::{Payment, SECRET};
use crate::rounds::paired;
use crate::{AnyError, by_hand};

const CONNECTIONS: u32 = 64;
const SECONDS: u32 = 3;

/// Each run has ids of its own.
static RUN: AtomicU64 = AtomicU64::new(0);

#[webhook_listener(source = "hmac", event = "payment.succeeded")]
async fn listen(Event(payment): Event<Payment>) {
    std::hint::black_box(payment.amount);
}

pub(crate) async fn run() -> Result<(), AnyError> {
    if Command::new("wrk").arg("--version").output().await.is_err() {
        println!("wrk is not installed (apt-get install wrk): only `http` loads the HTTP path here");
        return Ok(());
    }
    let (ours, by_hand) = (serve(ours().await?).await?, serve(by_hand::in_memory()?).await?);
    let pair = paired(|| load(ours), || load(by_hand)).await?;
    println!(
        "| wrk, {CONNECTIONS} connections, 1 KiB | ours, per s | by hand, per s | ratio |\n|---|---|---|---|\n\
         | claims in memory | {:.0} | {:.0} | {} |",
        pair.ours,
        pair.theirs,
        at_least(0.95, pair.ratio)
    );
    Ok(())
}

async fn ours() -> Result<Router, AnyError> {
    let webhooks = Webhooks::builder()
        .source("hmac", |source| source.secret(SECRET))
        .only(webhooks::listeners![listen])
        .store(InMemoryWebhookEventStore::new().with_max_keys(usize::MAX))
        .build()
        .await?;
    Ok(webhooks.router()?)
}

async fn serve(router: Router) -> Result<SocketAddr, AnyError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

/// How many requests were answered, all with 200.
async fn load(address: SocketAddr) -> Result<u64, AnyError> {
    let mut script = tempfile::NamedTempFile::new()?;
    script.write_all(script_of_run()?.as_bytes())?;
    let output = Command::new("wrk")
        .args(["-t1", &format!("-c{CONNECTIONS}"), &format!("-d{SECONDS}s"), "-s"])
        .arg(script.path())
        .arg(format!("http://{address}/webhooks/hmac"))
        .output()
        .await?;
    let report = String::from_utf8(output.stdout)?;
    let refused = ["Non-2xx", "Socket errors"].iter().any(|it| report.contains(it));
    let count = report.lines().find_map(|line| line.trim().split_once(" requests in ")?.0.parse().ok());
    match count {
        Some(count) if !refused && output.status.success() => Ok(count),
        _ => Err(format!("{report}{}", String::from_utf8_lossy(&output.stderr)).into()),
    }
}

fn script_of_run() -> Result<String, AnyError> {
    let run = RUN.fetch_add(1, Ordering::Relaxed);
    let body = format!(r#"{{"type":"payment.succeeded","amount":4200,"padding":"{}"}}"#, "x".repeat(960));
    let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes())?.chain_update(&body).finalize();
    let signature = hex::encode(mac.into_bytes());
    Ok(format!(
        "wrk.method = \"POST\"\nwrk.body = '{body}'\n\
         wrk.headers[\"content-type\"] = \"application/json\"\n\
         wrk.headers[\"x-signature\"] = \"sha256={signature}\"\n\
         local number = 0\n\
         request = function()\n  number = number + 1\n\
         \x20 wrk.headers[\"x-idempotency-key\"] = \"evt_{run}_\" .. number\n  return wrk.format()\nend\n"
    ))
}
