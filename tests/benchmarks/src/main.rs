//! What it costs. Prints ratios within one run on one machine: absolute figures move, ratios hardly do.
//!
//! ```text
//! cargo run --release -p benchmarks -- store     claims against bare SET NX PX; bytes a key
//! cargo run --release -p benchmarks -- path      the whole path in process against the floor
//! cargo run --release -p benchmarks -- http      the HTTP path with Redis against a hand-written handler
//! ```
//!
//! `store` and `http` need `redis-server`, and start a private one.

#![allow(clippy::print_stdout, reason = "it is a report")]

mod http;
mod memory;
mod path;
mod rounds;
mod store;

type AnyError = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), AnyError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match std::env::args().nth(1).as_deref() {
        Some("store") => runtime.block_on(store::run()),
        Some("path") => path::run(),
        Some("http") => runtime.block_on(http::run()),
        _ => {
            println!("usage: benchmarks store|path|http");
            Ok(())
        }
    }
}
