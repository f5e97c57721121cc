//! The whole path in process, on one thread, against the floor: what anyone must do to receive a webhook at all.

use std::collections::HashSet;
use std::hint::black_box;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::Sha256;
use webhooks::{Delivery, Event, SourceName, WebhookProcessor, Webhooks, webhook_listener};

use crate::AnyError;
use crate::rounds::paired;

const SECRET: &str = "a secret for a benchmark";
const EVENTS: u64 = 100_000;

#[derive(Deserialize)]
struct Payment {
    amount: u64,
}

#[webhook_listener(source = "*")]
async fn listen(Event(payment): Event<Payment>) {
    black_box(payment.amount);
}

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

pub(crate) fn run() -> Result<(), AnyError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!(
        "| in process, 1 KiB, one typed listener | ours, ns | floor, ns | ratio of times |\n|---|---|---|---|"
    );
    for sample in &SAMPLES {
        let processor = runtime.block_on(processor(sample.source))?;
        // Signing is not what is measured: all requests are made beforehand, each with an id of its own.
        let pair = runtime.block_on(async {
            let mut round = 0;
            let mut requests = || {
                round += 1;
                (0..EVENTS)
                    .map(|id| request(sample, round * EVENTS + id))
                    .collect::<Result<Vec<_>, AnyError>>()
            };
            let mut prepared: Vec<_> = (0..16).map(|_| requests()).collect::<Result<_, _>>()?;
            let prepared = std::cell::RefCell::new(&mut prepared);
            let next = || prepared.borrow_mut().pop().ok_or("too few requests");
            paired(|| ours(&processor, next()), || floor(next())).await
        })?;
        println!(
            "| {} | {:.0} | {:.0} | {:.2} |",
            sample.source,
            1e9 / pair.ours,
            1e9 / pair.theirs,
            1.0 / pair.ratio
        );
    }
    Ok(())
}

async fn processor(source: &str) -> Result<WebhookProcessor, AnyError> {
    let webhooks = Webhooks::builder()
        .source(source, |it| it.secret(SECRET))
        .listeners(webhooks::listeners![listen])
        .store(webhooks::InMemoryWebhookEventStore::new().with_max_keys(usize::MAX))
        .build()
        .await?;
    Ok(webhooks.handle().processor().clone())
}

async fn ours(
    processor: &WebhookProcessor,
    requests: Result<Vec<Delivery>, &'static str>,
) -> Result<u64, AnyError> {
    for request in requests? {
        let reply = processor.process(request).await;
        if reply.status != 200 {
            return Err(format!("{reply:?}").into());
        }
    }
    Ok(EVENTS)
}

/// Verify, read id and type without copying, deserialise, remember: nothing else.
async fn floor(requests: Result<Vec<Delivery>, &'static str>) -> Result<u64, AnyError> {
    #[derive(Deserialize)]
    struct Envelope<'a> {
        #[serde(rename = "type")]
        kind: &'a str,
        amount: Option<u64>,
    }
    let key = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes())?;
    let mut seen = HashSet::new();
    for request in requests? {
        let mac = key.clone().chain_update(request.body()).finalize().into_bytes();
        black_box(mac);
        let envelope: Envelope<'_> = serde_json::from_slice(request.body())?;
        black_box((envelope.kind, envelope.amount));
        if !seen.insert(request.id()) {
            return Err("twice".into());
        }
    }
    Ok(EVENTS)
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
