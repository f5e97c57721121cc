//! Webhooks inside an existing axum service, with its own state and its own routes.
//!
//! ```text
//! WEBHOOKS_SOURCES__STRIPE__SECRET=whsec_… WEBHOOKS_SOURCES__GITHUB__SECRET=… cargo run -p with-axum
//! ```
//!
//! `GET /balance` is the service's own; `POST /webhooks/stripe` and `POST /webhooks/github` change what it says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::routing::get;
use webhooks::{Event, State, webhook_listener};

/// The service's own state, shared with the listeners.
#[derive(Default)]
struct Shop {
    cents: AtomicU64,
    stars: AtomicU64,
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

#[derive(serde::Deserialize)]
struct Star {
    repository: Repository,
}

#[derive(serde::Deserialize)]
struct Repository {
    stargazers_count: u64,
}

#[webhook_listener(source = "github", event = "star.*")]
async fn on_star(Event(star): Event<Star>, shop: State<Shop>) -> webhooks::Result {
    shop.stars.store(star.repository.stargazers_count, Ordering::Relaxed);
    Ok(())
}

async fn balance(axum::extract::State(shop): axum::extract::State<Arc<Shop>>) -> String {
    format!("{} cents, {} stars\n", shop.cents.load(Ordering::Relaxed), shop.stars.load(Ordering::Relaxed))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let shop = Arc::new(Shop::default());
    let webhooks = webhooks::autoconfigure().shared_state(Arc::clone(&shop)).await?;
    let app = Router::new().route("/balance", get(balance)).with_state(shop).merge(webhooks.router()?);
    let address = std::env::var("ADDRESS").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    // The server is ours, and so is its graceful shutdown: no more deliveries, then the runs that are under way.
    let handle = webhooks.handle();
    let signal = webhooks::shutdown_signal();
    axum::serve(listener, app)
        .with_graceful_shutdown(async move {
            signal.await;
            handle.drain().await;
        })
        .await?;
    Ok(())
}
