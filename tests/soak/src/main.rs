//! An inbox under clients and SIGKILL, for as long as it is told.
//!
//! ```text
//! cargo run --release -p soak -- --minutes 10                       SQLite
//! cargo run --release -p soak -- --minutes 10 --engine postgres     PostgreSQL, in a private server
//! ```
//!
//! Clients post signed events, and post each again until it is acknowledged. The service is killed at random and started
//! on the same data. In the end every acknowledged event must have been run to its end by both listeners, and none may
//! have been run again once that was recorded. `--clients 32` and `--folder PATH` say how many and where.

#![allow(clippy::print_stdout, reason = "it is a report")]

use std::time::{Duration, Instant};

use arguments::Arguments;
use clients::Clients;
use place::Place;
use service::Running;

mod arguments;
mod clients;
mod deeds;
mod judge;
mod place;
mod service;

type AnyError = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    // The same program is the service that is killed, and what an operator asks it.
    match std::env::args().nth(1).as_deref() {
        Some("serve") => service::serve().await,
        Some("webhooks") => Ok(webhooks::cli(std::env::args()).await.map(drop)?),
        _ => soak(&Arguments::parse(std::env::args().skip(1))?).await,
    }
}

async fn soak(arguments: &Arguments) -> Result<(), AnyError> {
    let place = Place::make(arguments)?;
    let mut running = Running::start(&place)?;
    running.wait_until_ready(&place).await?;
    let clients = Clients::start(arguments.clients, &place);
    let (began, mut kills) = (Instant::now(), 0_u32);
    while began.elapsed() < arguments.time {
        let lives = Duration::from_millis(rand::random_range(800..3_200));
        tokio::time::sleep(lives.min(arguments.time.saturating_sub(began.elapsed()))).await;
        running.kill().await?;
        kills += 1;
        running = Running::start(&place)?;
        if kills.is_multiple_of(25) {
            let seconds = began.elapsed().as_secs();
            println!("{seconds:>6} s: {} acknowledged, {kills} kills", clients.acknowledged());
        }
    }
    running.wait_until_ready(&place).await?;
    let acknowledged = clients.stop().await;
    println!("{} acknowledged, {kills} kills in {} s", acknowledged.len(), began.elapsed().as_secs());
    running.wait_until_quiet(&place).await?;
    running.kill().await?;
    judge::judge(&place, &acknowledged).await
}
