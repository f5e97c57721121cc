//! Webhooks whose deliveries are traces, listener by listener: printed, or sent to a collector.
//!
//! ```text
//! WEBHOOKS_SOURCES__STRIPE__SECRET=whsec_… cargo run -p with-opentelemetry
//! OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 WEBHOOKS_SOURCES__STRIPE__SECRET=whsec_… cargo run -p with-opentelemetry
//! ```

use std::error::Error;

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use webhooks::{Event, webhook_listener};

#[derive(serde::Deserialize)]
struct PaymentIntent {
    id: String,
    amount: u64,
}

#[webhook_listener(source = "stripe", event = "payment_intent.succeeded")]
async fn on_paid(Event(payment): Event<PaymentIntent>) {
    book(&payment).await;
}

/// What the service does has spans of its own, within those of the delivery and the listener.
#[tracing::instrument(skip_all, fields(payment = payment.id))]
async fn book(payment: &PaymentIntent) {
    tracing::info!(amount = payment.amount, "booked");
}

/// Where spans go: to a collector, if the usual variable names one.
fn tracer_provider() -> Result<SdkTracerProvider, Box<dyn Error>> {
    let resource = Resource::builder().with_service_name("with-opentelemetry").build();
    let builder = SdkTracerProvider::builder().with_resource(resource);
    Ok(match std::env::var_os("OTEL_EXPORTER_OTLP_ENDPOINT") {
        None => builder.with_simple_exporter(opentelemetry_stdout::SpanExporter::default()).build(),
        Some(_) => {
            let exporter = opentelemetry_otlp::SpanExporter::builder().with_http().build()?;
            builder.with_batch_exporter(exporter).build()
        }
    })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let provider = tracer_provider()?;
    tracing_subscriber::registry()
        .with(EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into()))
        .with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr))
        .with(tracing_opentelemetry::layer().with_tracer(provider.tracer("webhooks")))
        .init();
    webhooks::autoconfigure().await?.serve().await?;
    // What was not sent yet is sent.
    provider.shutdown()?;
    Ok(())
}
