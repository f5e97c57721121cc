//! The whole path in process, on one thread, against the floor: what anyone must do to receive a webhook at all.

use std::collections::HashSet;
use std::hint::black_box;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::Sha256;
use webhooks::{Delivery, DeliveryId, Event, SourceName, WebhookProcessor, Webhooks, webhook_listener};

use crate::AnyError;
use crate::rounds::median;

const SECRET: &str = "a secret for a benchmark";

#[derive(Deserialize)]
struct Payment {
    amount: u64,
}

#[webhook_listener(source = "*")]
async fn listen(Event(payment): Event<Payment>) {
    black_box(payment.amount);
}

#[webhook_listener(source = "*", event = "elsewhere")]
async fn listen_elsewhere() {}

/// How one provider's requests are made.
struct Sample {
    source: &'static str,
    headers: fn(id: u64, body: &str) -> Vec<(&'static str, String)>,
    body: fn(id: u64) -> String,
}

const SAMPLES: [Sample; 3] = [
    Sample { source: "hmac", headers: hmac_headers, body: plain_body },
    Sample { source: "github", headers: github_headers, body: plain_body },
    Sample { source: "stripe", headers: stripe_headers, body: stripe_body },
];

/// So many requests are made, then handled, then made again: few enough to be still in the cache when they are
/// handled, as is what has just come in by a socket.
const BATCH: u64 = 256;
const BATCHES: u64 = 400;
const ROUNDS: usize = 7;

pub(crate) fn run() -> Result<(), AnyError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!(
        "| in process, 1 KiB body | floor, ns | verified and identified | the whole path |\n|---|---|---|---|"
    );
    for sample in &SAMPLES {
        let (floor, identified, whole) = runtime.block_on(measure(sample))?;
        let [before, all] = [&identified, &whole].map(|it| {
            let ratios = it.iter().zip(&floor).map(|(ours, floor)| ours / floor).collect();
            format!("{:.0} ns, {:.2} x", median(it.clone()), median(ratios))
        });
        println!("| {} | {:.0} | {before} | {all} |", sample.source, median(floor.clone()));
    }
    Ok(())
}

/// Nanoseconds an event, of each round: the floor, an event that nobody listens to, and one that is handled.
async fn measure(sample: &Sample) -> Result<(Vec<f64>, Vec<f64>, Vec<f64>), AnyError> {
    let unheard =
        processor(sample.source, Webhooks::builder().only(webhooks::listeners![listen_elsewhere])).await?;
    let heard = processor(sample.source, Webhooks::builder().only(webhooks::listeners![listen])).await?;
    let mut floor = Floor::new()?;
    let (mut floors, mut identified, mut whole) = (Vec::new(), Vec::new(), Vec::new());
    let mut id = 0;
    for round in 0..=ROUNDS {
        let mut spent = [Duration::ZERO; 3];
        for _ in 0..BATCHES {
            for (side, spent) in spent.iter_mut().enumerate() {
                id += BATCH;
                // Signing is not what is measured: requests are made beforehand, each with an id of its own.
                let requests =
                    (id..id + BATCH).map(|id| request(sample, id)).collect::<Result<Vec<_>, _>>()?;
                let began = Instant::now();
                match side {
                    0 => floor.receive(requests)?,
                    1 => receive(&unheard, requests).await?,
                    _ => receive(&heard, requests).await?,
                }
                *spent += began.elapsed();
            }
        }
        // The first round warms up and does not count.
        if round > 0 {
            let each = |spent: Duration| spent.as_nanos() as f64 / (BATCH * BATCHES) as f64;
            floors.push(each(spent[0]));
            identified.push(each(spent[1]));
            whole.push(each(spent[2]));
        }
    }
    Ok((floors, identified, whole))
}

async fn processor(source: &str, builder: webhooks::Builder) -> Result<WebhookProcessor, AnyError> {
    let webhooks = builder
        .source(source, |it| it.secret(SECRET))
        .store(webhooks::InMemoryWebhookEventStore::new().with_max_keys(usize::MAX))
        .build()
        .await?;
    Ok(webhooks.handle().processor().clone())
}

async fn receive(processor: &WebhookProcessor, requests: Vec<Delivery>) -> Result<(), AnyError> {
    for request in requests {
        let reply = processor.process(request).await;
        if reply.status != 200 {
            return Err(format!("{reply:?}").into());
        }
    }
    Ok(())
}

/// Verify, read id and type without copying, deserialise, remember: nothing else.
struct Floor {
    key: Hmac<Sha256>,
    seen: HashSet<DeliveryId>,
}

impl Floor {
    fn new() -> Result<Self, AnyError> {
        Ok(Self { key: Hmac::new_from_slice(SECRET.as_bytes())?, seen: HashSet::new() })
    }

    fn receive(&mut self, requests: Vec<Delivery>) -> Result<(), AnyError> {
        #[derive(Deserialize)]
        struct Envelope<'a> {
            #[serde(rename = "type")]
            kind: &'a str,
            amount: Option<u64>,
        }
        for request in requests {
            let mac = self.key.clone().chain_update(request.body()).finalize().into_bytes();
            black_box(mac);
            let envelope: Envelope<'_> = serde_json::from_slice(request.body())?;
            black_box((envelope.kind, envelope.amount));
            if !self.seen.insert(request.id()) {
                return Err("twice".into());
            }
        }
        Ok(())
    }
}

fn request(sample: &Sample, id: u64) -> Result<Delivery, AnyError> {
    let body = (sample.body)(id);
    let mut headers = axum::http::HeaderMap::new();
    for (name, value) in (sample.headers)(id, &body) {
        headers.insert(axum::http::HeaderName::from_static(name), value.parse()?);
    }
    let source = SourceName::new(sample.source).ok_or("a name")?;
    Ok(Delivery::new(source, Bytes::from(body)).with_headers(headers))
}

fn plain_body(id: u64) -> String {
    format!(r#"{{"id":"evt_{id}","type":"payment","amount":4200,"padding":"{}"}}"#, "x".repeat(960))
}

fn stripe_body(id: u64) -> String {
    format!(
        r#"{{"id":"evt_{id}","type":"payment","data":{{"object":{{"amount":4200}}}},"padding":"{}"}}"#,
        "x".repeat(940)
    )
}

fn hmac_headers(id: u64, body: &str) -> Vec<(&'static str, String)> {
    let signature = format!("sha256={}", sign(body));
    vec![("x-signature", signature), ("x-idempotency-key", id.to_string())]
}

fn github_headers(id: u64, body: &str) -> Vec<(&'static str, String)> {
    let signature = format!("sha256={}", sign(body));
    let event = ("x-github-event", "push".to_owned());
    vec![("x-hub-signature-256", signature), ("x-github-delivery", id.to_string()), event]
}

fn stripe_headers(_: u64, body: &str) -> Vec<(&'static str, String)> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    vec![("stripe-signature", format!("t={now},v1={}", sign(&format!("{now}.{body}"))))]
}

fn sign(content: &str) -> String {
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()) else { return String::new() };
    hex::encode(mac.chain_update(content).finalize().into_bytes())
}
