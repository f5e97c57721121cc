//! What it costs. Prints ratios within one run on one machine: absolute figures move, ratios hardly do.
//!
//! ```text
//! cargo run --release -p benchmarks                 all of these, one after the other
//! cargo run --release -p benchmarks -- path bodies  some of them
//!
//! path      the whole path in process against the floor
//! bodies    bodies from 100 bytes to 25 MiB, and how often each is held in memory
//! http      the HTTP path against handlers written by hand
//! wrk       the same under wrk, where it is installed
//! scale     1 to 10 000 listeners: startup, and each event
//! store     claims against bare SET NX PX; bytes a key; ten million keys in memory
//! sqlite    the inbox: acknowledged deliveries against the same rows written by hand
//! postgres  the same in PostgreSQL
//! macros    1000 annotated functions against 1000 plain ones: build and binary
//! rivals    the same requests by what people use today
//! ```
//!
//! `store` and `http` need `redis-server`, and start a private one; `postgres` needs PostgreSQL, as the tests do; `rivals`
//! needs what `./tests/run` installs. On one thread the time is what the thread itself has worked, so that a busy
//! machine does not count; elsewhere it is the clock's, for which the machine should be quiet.

#![allow(clippy::print_stdout, reason = "it is a report")]

mod bodies;
mod by_hand;
mod cpu;
mod floor;
mod goal;
mod http;
mod inbox;
mod macros;
mod memory;
mod path;
mod rivals;
mod rounds;
mod sample;
mod scale;
mod store;
mod wrk;

type AnyError = Box<dyn std::error::Error + Send + Sync>;

const ALL: [&str; 10] =
    ["path", "bodies", "http", "wrk", "scale", "store", "sqlite", "postgres", "macros", "rivals"];

fn main() -> Result<(), AnyError> {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = asked.iter().find(|it| !ALL.contains(&it.as_str()) && *it != "all") {
        return Err(format!("there is no benchmark `{unknown}`; there are {}", ALL.join(", ")).into());
    }
    let everything = asked.is_empty() || asked.iter().any(|it| it == "all");
    for name in ALL.into_iter().filter(|name| everything || asked.iter().any(|it| it == name)) {
        println!("\n## {name}\n");
        run(name)?;
    }
    Ok(())
}

fn run(name: &str) -> Result<(), AnyError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match name {
        "path" => path::run(),
        "bodies" => runtime.block_on(bodies::run()),
        "http" => runtime.block_on(http::run()),
        "wrk" => runtime.block_on(wrk::run()),
        "scale" => runtime.block_on(scale::run()),
        "store" => runtime.block_on(store::run()),
        "sqlite" => runtime.block_on(inbox::sqlite()),
        "postgres" => runtime.block_on(inbox::postgres()),
        "macros" => macros::run(),
        _ => rivals::run(),
    }
}
