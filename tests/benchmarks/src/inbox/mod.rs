//! Acknowledged deliveries: what the inbox takes in against the same rows written by hand, with the same waiting for the
//! disk.

use std::sync::Arc;
use std::time::{Duration, Instant};

use support::postgres_server::Options;

use crate::AnyError;
use crate::rounds::{median, paired};
use bare::Bare;
use service::Service;

mod bare;
mod filled;
mod service;

/// So many deliveries a round, by one client and by many.
const LOADS: [(u64, u64); 2] = [(1, 2_000), (64, 20_000)];

/// How many old events there are, for those that are to be in the way.
const OLD: u64 = 1_000_000;

/// Where deliveries are stored.
#[derive(Debug, Clone)]
pub(crate) enum Engine {
    Sqlite(std::path::PathBuf),
    Postgres(String),
}

pub(crate) async fn sqlite() -> Result<(), AnyError> {
    let folder = tempfile::tempdir()?;
    let engine = |name: &str| Engine::Sqlite(folder.path().join(name));
    run("the same inserts in a group-commit loop", engine).await
}

pub(crate) async fn postgres() -> Result<(), AnyError> {
    let server = Options::default().durable().start();
    run("an `INSERT` of one row", |_| Engine::Postgres(server.database())).await
}

async fn run(against: &str, engine: impl Fn(&str) -> Engine) -> Result<(), AnyError> {
    println!("| acknowledged, 1 KiB; {against} | ours, per s | bare, per s | ratio | goal | p50 | p99 |");
    println!("|---|---|---|---|---|---|---|");
    acknowledged(engine("ours.db"), engine("bare.db")).await?;
    println!();
    println!("| stored and handled, 64 clients; listeners | per s | against one listener |\n|---|---|---|");
    let mut one = None;
    for idle in [0, 99, 999] {
        let rate = handled(idle, engine(&format!("handled{idle}.db"))).await?;
        println!("| {} | {rate:.0} | {:.2} |", idle + 1, rate / *one.get_or_insert(rate));
    }
    println!();
    println!(
        "| a million old events, swept meanwhile: with, per s | without, per s | ratio | goal |\n|---|---|---|---|"
    );
    old(engine("old.db"), engine("new.db")).await
}

/// Our inbox, whose listener is busy with its first event, against rows written by hand.
async fn acknowledged(ours: Engine, theirs: Engine) -> Result<(), AnyError> {
    let service = Service::start(&ours, true).await?;
    let bare = Bare::open(&theirs).await?;
    for (clients, total) in LOADS {
        let mut latencies = Vec::new();
        let seen = Arc::new(std::sync::Mutex::new(&mut latencies));
        let pair = paired(
            || async {
                let took = service.deliver(clients, total).await?;
                seen.lock().map_err(|_| "a client panicked")?.extend(took);
                Ok(total)
            },
            || bare.put(clients, total),
        )
        .await?;
        let (half, most) = percentiles(latencies);
        println!(
            "| {clients} clients | {:.0} | {:.0} | {:.2} | 0.8 | {half:.2} ms | {most:.2} ms |",
            pair.ours, pair.theirs, pair.ratio
        );
    }
    Ok(())
}

/// From the first delivery until the last one has been handled.
async fn handled(idle: usize, engine: Engine) -> Result<f64, AnyError> {
    const TOTAL: u64 = 20_000;
    let service = Service::start_beside(idle, &engine, false).await?;
    service.deliver(64, 1_000).await?;
    service.settled().await?;
    let mut rates = Vec::new();
    for _ in 0..5 {
        let began = Instant::now();
        service.deliver(64, TOTAL).await?;
        service.settled().await?;
        rates.push(TOTAL as f64 / began.elapsed().as_secs_f64());
    }
    Ok(median(rates))
}

/// An inbox with a million old events, a part of which is forgotten all the time, against an empty one.
async fn old(full: Engine, empty: Engine) -> Result<(), AnyError> {
    let (clients, total) = LOADS[1];
    let (full_service, empty_service) =
        (Service::start(&full, true).await?, Service::start(&empty, true).await?);
    filled::fill(&full, OLD).await?;
    let sweeping = full_service.sweep_without_end();
    let pair = paired(
        || async { full_service.deliver(clients, total).await.map(|_| total) },
        || async { empty_service.deliver(clients, total).await.map(|_| total) },
    )
    .await?;
    sweeping.abort();
    println!("| {:.0} | {:.0} | {:.2} | 0.8 |", pair.ours, pair.theirs, pair.ratio);
    Ok(())
}

/// The median and the 99th percentile, in milliseconds.
fn percentiles(mut latencies: Vec<Duration>) -> (f64, f64) {
    latencies.sort_unstable();
    let at = |part: f64| {
        let place = (latencies.len().saturating_sub(1) as f64 * part) as usize;
        latencies.get(place).map_or(0.0, |it| it.as_secs_f64() * 1_000.0)
    };
    (at(0.5), at(0.99))
}
