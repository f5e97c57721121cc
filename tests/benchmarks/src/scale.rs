//! What many listeners cost: at startup, and for each event.

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use webhooks::{
    Builder, Delivery, SourceName, WebhookEvent, WebhookEventListener, WebhookProcessor, Webhooks,
};

use crate::AnyError;
use crate::cpu::Worked;
use crate::goal::at_most;
use crate::rounds::median;

const SECRET: &str = "a secret for a benchmark";
const BATCH: u64 = 256;
/// So many batches a round that every listener has its turn in each.
const BATCHES: u64 = 80;
const ROUNDS: usize = 15;
const LISTENERS: [usize; 3] = [1, 100, 10_000];

/// Hears one type of its own.
struct Numbered(usize);

impl WebhookEventListener for Numbered {
    fn source(&self) -> &str {
        "hmac"
    }

    fn id(&self) -> String {
        format!("listener {}", self.0)
    }

    fn events(&self) -> Vec<String> {
        vec![event_type(self.0)]
    }

    async fn handle(&self, event: &WebhookEvent) -> webhooks::Result {
        black_box(event.id());
        Ok(())
    }
}

/// Events for one number of listeners.
struct Side {
    processor: WebhookProcessor,
    /// How many of the types there are come, evenly.
    types: usize,
    nanoseconds: Vec<f64>,
}

pub(crate) async fn run() -> Result<(), AnyError> {
    let mut sides = Vec::new();
    let mut startups = Vec::new();
    for count in LISTENERS {
        startups.push(startup(count).await?);
        for types in [1, count] {
            let processor = start(count).await?.handle().processor().clone();
            sides.push(Side { processor, types, nanoseconds: Vec::new() });
        }
    }
    measure(&mut sides).await?;
    println!(
        "| listeners | startup | an event of one type | against one listener | of every type in turn | against one listener |"
    );
    println!("|---|---|---|---|---|---|");
    let against_one = |side: &Side| {
        let one = &sides[0].nanoseconds;
        median(side.nanoseconds.iter().zip(one).map(|(it, one)| it / one).collect())
    };
    for ((count, startup), pair) in LISTENERS.iter().zip(&startups).zip(sides.chunks(2)) {
        let nanoseconds = |side: &Side| median(side.nanoseconds.clone());
        println!(
            "| {count} | {startup:.1} ms | {:.0} ns | {} | {:.0} ns | {} |",
            nanoseconds(&pair[0]),
            at_most(1.05, against_one(&pair[0])),
            nanoseconds(&pair[1]),
            at_most(1.05, against_one(&pair[1])),
        );
    }
    println!("\nstartup with 1000 listeners, ms: {}", at_most(10.0, startup(1_000).await?));
    Ok(())
}

/// Has the sides take turns, so that what else the machine does is felt by all of them.
async fn measure(sides: &mut [Side]) -> Result<(), AnyError> {
    let mut id = 0;
    for round in 0..=ROUNDS {
        let mut worked = vec![Duration::ZERO; sides.len()];
        for _ in 0..BATCHES {
            for (side, worked) in sides.iter().zip(&mut worked) {
                let requests: Vec<_> =
                    (0..BATCH).map(|at| request(id + at, side.types)).collect::<Result<_, _>>()?;
                id += BATCH;
                let began = Worked::so_far()?;
                for request in requests {
                    let reply = side.processor.process(request).await;
                    if reply.status != 200 {
                        return Err(format!("{reply:?}").into());
                    }
                }
                *worked += began.since()?;
            }
        }
        // The first round warms up and does not count.
        if round > 0 {
            for (side, worked) in sides.iter_mut().zip(worked) {
                side.nanoseconds.push(worked.as_nanos() as f64 / (BATCH * BATCHES) as f64);
            }
        }
    }
    Ok(())
}

/// The median of five, in milliseconds.
async fn startup(listeners: usize) -> Result<f64, AnyError> {
    let mut times = Vec::new();
    for _ in 0..5 {
        let began = Instant::now();
        drop(start(listeners).await?);
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    Ok(median(times))
}

async fn start(listeners: usize) -> Result<Webhooks, AnyError> {
    let builder = Webhooks::builder()
        .only([])
        .source("hmac", |it| it.secret(SECRET))
        .store(webhooks::InMemoryWebhookEventStore::new().with_max_keys(usize::MAX));
    Ok((0..listeners).fold(builder, |builder: Builder, at| builder.listener(Numbered(at))).build().await?)
}

fn request(id: u64, types: usize) -> Result<Delivery, AnyError> {
    // The same work for every count, and no two alike, as in life: what comes again and again is guessed by the processor.
    let scattered = id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let event_type = event_type(usize::try_from(scattered >> 32)? % types);
    let mut headers = axum::http::HeaderMap::new();
    let body = format!(r#"{{"type":"{event_type}","data":"{scattered:016x}"}}"#);
    let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes())?.chain_update(&body).finalize();
    headers.insert("x-signature", format!("sha256={}", hex::encode(mac.into_bytes())).parse()?);
    headers.insert("x-idempotency-key", id.to_string().parse()?);
    let source = SourceName::new("hmac").ok_or("a name")?;
    Ok(Delivery::new(source, Bytes::from(body)).with_headers(headers))
}

/// All of one length.
fn event_type(at: usize) -> String {
    format!("type.{at:04}")
}
