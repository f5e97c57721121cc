//! Webhooks behind a handler of an existing actix-web service.
//!
//! ```text
//! WEBHOOKS_SOURCES__STRIPE__SECRET=whsec_… cargo run -p with-actix
//! ```
//!
//! `GET /balance` is the service's own; `POST /webhooks/stripe` changes what it says.

use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::web::{self, Bytes, Data, PayloadConfig};
use actix_web::{App, HttpRequest, HttpResponse, HttpResponseBuilder, HttpServer};
use webhooks::{Event, State, Webhooks, webhook_listener};

/// The largest body that any source of this service takes; see `webhooks.max_body`. actix-web's own limit, 256 KiB, is
/// less than providers send.
const MAX_BODY: usize = 1024 * 1024;

/// The service's own state, shared with the listeners.
#[derive(Default)]
struct Shop {
    cents: AtomicU64,
}

#[derive(serde::Deserialize)]
struct PaymentIntent {
    amount: u64,
}

#[webhook_listener(source = "stripe", event = "payment_intent.succeeded")]
async fn on_paid(Event(payment): Event<PaymentIntent>, shop: State<Shop>) -> webhooks::Result {
    shop.cents.fetch_add(payment.amount, Ordering::Relaxed);
    Ok(())
}

async fn balance(shop: Data<Shop>) -> String {
    format!("{} cents\n", shop.cents.load(Ordering::Relaxed))
}

/// Everything under `/webhooks`. A body that is too large has been answered before this is called.
async fn deliver(request: HttpRequest, body: Bytes, webhooks: Data<Webhooks>) -> HttpResponse {
    let Some(request) = modern(&request, body) else { return HttpResponse::BadRequest().finish() };
    let reply = webhooks.process(request).await;
    let Ok(status) = actix_web::http::StatusCode::from_u16(reply.status.as_u16()) else {
        return HttpResponse::InternalServerError().finish();
    };
    let mut response = HttpResponseBuilder::new(status);
    for (name, value) in &reply.headers {
        response.append_header((name.as_str(), value.as_bytes()));
    }
    response.body(reply.body)
}

/// The request in the terms of today's `http` crate; actix-web speaks those of version 0.2. Nothing is decoded or
/// normalised on the way, and every header is kept, for all of it may be signed.
fn modern(request: &HttpRequest, body: Bytes) -> Option<http::Request<Bytes>> {
    let mut modern =
        http::Request::builder().method(request.method().as_str()).uri(request.uri().to_string());
    for (name, value) in request.headers() {
        modern = modern.header(name.as_str(), value.as_bytes());
    }
    modern.body(body).ok()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let shop = Data::new(Shop::default());
    let webhooks = webhooks::autoconfigure().shared_state(shop.clone().into_inner()).await?;
    webhooks.require_secrets()?;
    let handle = webhooks.handle();
    let webhooks = Data::new(webhooks);
    let address = std::env::var("ADDRESS").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let app = move || {
        App::new()
            .app_data(shop.clone())
            .app_data(webhooks.clone())
            .app_data(PayloadConfig::new(MAX_BODY))
            .route("/balance", web::get().to(balance))
            // Any method: handshakes come by GET, and what is not allowed is answered as such.
            .route("/webhooks/{source}", web::to(deliver))
    };
    // Its own signal handling would end the workers, and the runs with them, before these are through.
    let server = HttpServer::new(app).disable_signals().bind(address)?.run();
    let stop = server.handle();
    let signal = webhooks::shutdown_signal();
    tokio::spawn(async move {
        signal.await;
        handle.drain().await;
        stop.stop(true).await;
    });
    Ok(server.await?)
}
