//! What it costs. Prints ratios within one run on one machine: absolute figures move, ratios hardly do.
//!
//! ```text
//! cargo run --release -p benchmarks -- store     claims against bare SET NX PX; bytes a key
//! cargo run --release -p benchmarks -- path      the whole path in process against the floor
//! cargo run --release -p benchmarks -- http      the HTTP path against handlers written by hand
//! cargo run --release -p benchmarks -- inbox     acknowledged deliveries against the same rows written by hand
//! cargo run --release -p benchmarks -- scale     1 to 10 000 listeners: startup, and each event
//! cargo run --release -p benchmarks -- macros    1000 annotated functions against 1000 plain ones: build and binary
//! ```
//!
//! `store` and `http` need `redis-server`, and start a private one; `inbox` needs PostgreSQL, as the tests do.

#![allow(clippy::print_stdout, reason = "it is a report")]

mod by_hand;
mod http;
mod inbox;
mod macros;
mod memory;
mod path;
mod rounds;
mod scale;
mod store;

type AnyError = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), AnyError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match std::env::args().nth(1).as_deref() {
        Some("store") => runtime.block_on(store::run()),
        Some("path") => path::run(),
        Some("http") => runtime.block_on(http::run()),
        Some("inbox") => runtime.block_on(inbox::run()),
        Some("macros") => macros::run(),
        Some("scale") => runtime.block_on(scale::run()),
        _ => {
            println!("usage: benchmarks store|path|http|inbox|scale|macros");
            Ok(())
        }
    }
}
