//! What many listeners cost: at startup, and for each event.

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use webhooks::{Builder, Delivery, SourceName, WebhookEvent, WebhookEventListener, Webhooks};

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
        vec![format!("type.{}", self.0)]
    }

    async fn handle(&self, event: &WebhookEvent) -> webhooks::Result {
        black_box(event.id());
        Ok(())
    }
}

pub(crate) async fn run() -> Result<(), AnyError> {
    println!("| listeners | startup | an event, ns | against one listener |\n|---|---|---|---|");
    let mut started = Vec::new();
    for count in LISTENERS {
        let webhooks = start(count).await?;
        started.push((count, startup(count).await?, webhooks.handle().processor().clone()));
    }
    let mut spent = vec![Vec::new(); LISTENERS.len()];
    let mut id = 0;
    for round in 0..=ROUNDS {
        let mut worked = [Duration::ZERO; LISTENERS.len()];
        for _ in 0..BATCHES {
            for (side, (count, _, processor)) in started.iter().enumerate() {
                // All types take part, so that no table stays in the cache by luck.
                let requests: Vec<_> =
                    (0..BATCH).map(|at| request(id + at, *count)).collect::<Result<_, _>>()?;
                id += BATCH;
                let began = Worked::so_far()?;
                for request in requests {
                    let reply = processor.process(request).await;
                    if reply.status != 200 {
                        return Err(format!("{reply:?}").into());
                    }
                }
                worked[side] += began.since()?;
            }
        }
        // The first round warms up and does not count.
        if round > 0 {
            for (times, worked) in spent.iter_mut().zip(worked) {
                times.push(worked.as_nanos() as f64 / (BATCH * BATCHES) as f64);
            }
        }
    }
    for (side, (count, startup, _)) in started.iter().enumerate() {
        let ratios = spent[side].iter().zip(&spent[0]).map(|(it, one)| it / one).collect();
        println!(
            "| {count} | {startup:.1} ms | {:.0} | {} |",
            median(spent[side].clone()),
            at_most(1.05, median(ratios))
        );
    }
    println!("\nstartup with 1000 listeners, ms: {}", at_most(10.0, startup(1_000).await?));
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
    // The same work for every count: types of equal length, spread over all there are.
    let at = (id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) % u64::try_from(types)?;
    let mut headers = axum::http::HeaderMap::new();
    let body = format!(r#"{{"type":"type.{at}"}}"#);
    let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes())?.chain_update(&body).finalize();
    headers.insert("x-signature", format!("sha256={}", hex::encode(mac.into_bytes())).parse()?);
    headers.insert("x-idempotency-key", id.to_string().parse()?);
    let source = SourceName::new("hmac").ok_or("a name")?;
    Ok(Delivery::new(source, Bytes::from(body)).with_headers(headers))
}
