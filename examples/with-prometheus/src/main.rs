//! Webhooks and their metrics in one service: `POST /webhooks/stripe`, and `GET /metrics` for Prometheus.
//!
//! ```text
//! WEBHOOKS_SOURCES__STRIPE__SECRET=whsec_… cargo run -p with-prometheus
//! curl http://127.0.0.1:3000/metrics
//! ```

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use webhooks::{Event, webhook_listener};

#[derive(serde::Deserialize)]
struct PaymentIntent {
    id: String,
    amount: u64,
}

#[webhook_listener(source = "stripe", event = "payment_intent.succeeded")]
async fn on_paid(Event(payment): Event<PaymentIntent>) -> webhooks::Result {
    if payment.amount == 0 {
        return Err(format!("{} paid nothing", payment.id).into());
    }
    Ok(())
}

/// From what an answer takes at best to what listeners may take at most.
const SECONDS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0];

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().init();
    // Before the webhooks are assembled: that is when they look for a recorder.
    let prometheus = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .install_recorder()?;
    let webhooks = webhooks::autoconfigure().await?;
    let page = prometheus.clone();
    let app = Router::new().route("/metrics", get(async move || page.render())).merge(webhooks.router()?);
    // What was observed meanwhile is put into the histograms, even if nobody asks for them.
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            prometheus.run_upkeep();
        }
    });
    let address = std::env::var("ADDRESS").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
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
