//! Our side.

use std::cell::Cell;
use std::collections::HashMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use webhooks::{
    Delivery, Event, GitHubSignatureValidator, InMemoryWebhookEventStore, SourceName,
    StripeSignatureValidator, Webhooks, webhook_listener,
};

use crate::request::{Make, Request};
use crate::{AnyError, Side};

#[derive(serde::Deserialize)]
struct Payload {
    country: String,
}

#[webhook_listener(source = "*")]
async fn listen(Event(payload): Event<Payload>) {
    black_box(payload.country);
}

#[webhook_listener(source = "*", event = "elsewhere")]
async fn listen_elsewhere() {}

/// How far a request is taken.
#[derive(Clone, Copy)]
pub(crate) enum Until {
    /// Verified, identified, and found to have no listener.
    Identified,
    /// Claimed, decoded, handled, settled.
    Handled,
}

/// The whole pipeline, in process. Each request has an id of its own; making them is not measured.
pub(crate) fn pipeline(make: Make, until: Until) -> Result<Side<'static>, AnyError> {
    const BATCH: u32 = 250;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let builder = match until {
        Until::Identified => Webhooks::builder().only(webhooks::listeners![listen_elsewhere]),
        Until::Handled => Webhooks::builder().only(webhooks::listeners![listen]),
    };
    let request = make(0);
    let builder = builder
        .source(request.provider, |it| it.secret(request.secret.as_str()))
        .store(InMemoryWebhookEventStore::new());
    let processor = runtime.block_on(builder.build())?.handle().processor().clone();
    let next = Cell::new(0);
    Ok(Box::new(move |count| {
        let mut spent = Duration::ZERO;
        for _ in 0..count / BATCH {
            let first = next.replace(next.get() + BATCH);
            let deliveries = (first..first + BATCH).map(|id| delivery(make(id)));
            let deliveries = deliveries.collect::<Result<Vec<_>, _>>()?;
            let began = Instant::now();
            runtime.block_on(async {
                for delivery in deliveries {
                    let reply = processor.process(delivery).await;
                    if reply.status != 200 {
                        return Err(format!("{reply:?}"));
                    }
                }
                Ok(())
            })?;
            spent += began.elapsed();
        }
        Ok(spent.as_nanos() as f64 / f64::from(count / BATCH * BATCH))
    }))
}

fn delivery(request: Request) -> Result<Delivery, AnyError> {
    let mut headers = HeaderMap::new();
    for (name, value) in request.headers {
        headers.insert(HeaderName::from_static(name), value.parse()?);
    }
    let source = SourceName::new(request.provider).ok_or("a name")?;
    Ok(Delivery::new(source, Bytes::from(request.body)).with_headers(headers))
}

pub(crate) fn verify_stripe(request: &Request) -> Side<'_> {
    let validator = StripeSignatureValidator::new(request.secret.as_str());
    Box::new(move |count| {
        repeat(count, || validator.is_valid(request.body.as_bytes(), Some(&request.signature)))
    })
}

pub(crate) fn verify_github(request: &Request) -> Side<'_> {
    let validator = GitHubSignatureValidator::new(request.secret.as_str());
    Box::new(move |count| {
        repeat(count, || validator.is_valid(request.body.as_bytes(), Some(&request.signature)))
    })
}

/// The validator by itself, and the decoding that its user would write.
pub(crate) fn decode_stripe(request: &Request) -> Side<'_> {
    #[derive(serde::Deserialize)]
    struct StripeEvent {
        id: String,
        #[serde(rename = "type")]
        event_type: String,
        data: Data,
    }
    #[derive(serde::Deserialize)]
    struct Data {
        object: BankAccount,
    }
    #[derive(serde::Deserialize)]
    struct BankAccount {
        id: String,
        country: String,
        currency: String,
        last4: String,
        status: String,
        metadata: HashMap<String, String>,
    }
    let validator = StripeSignatureValidator::new(request.secret.as_str());
    let body = request.body.as_bytes();
    Box::new(move |count| {
        repeat(count, || {
            let event = serde_json::from_slice::<StripeEvent>(body);
            let read = event.is_ok_and(|StripeEvent { id, event_type, data: Data { object } }| {
                black_box((object.id, object.country, object.currency, object.last4, object.status));
                black_box(object.metadata);
                !black_box((id, event_type)).0.is_empty()
            });
            validator.is_valid(body, Some(&request.signature)) && read
        })
    })
}

/// The same for GitHub.
pub(crate) fn decode_github(request: &Request) -> Side<'_> {
    #[derive(serde::Deserialize)]
    struct Push {
        #[serde(rename = "type")]
        event_type: String,
        country: String,
        padding: String,
    }
    let validator = GitHubSignatureValidator::new(request.secret.as_str());
    let body = request.body.as_bytes();
    Box::new(move |count| {
        repeat(count, || {
            let push = serde_json::from_slice::<Push>(body);
            let read = push.is_ok_and(|it| !black_box((it.country, it.event_type, it.padding)).0.is_empty());
            validator.is_valid(body, Some(&request.signature)) && read
        })
    })
}

/// Nanoseconds that `verify` takes, each time with success.
pub(crate) fn repeat(count: u32, mut verify: impl FnMut() -> bool) -> Result<f64, AnyError> {
    let began = Instant::now();
    for _ in 0..count {
        if !black_box(verify()) {
            return Err("refused".into());
        }
    }
    Ok(began.elapsed().as_nanos() as f64 / f64::from(count))
}
