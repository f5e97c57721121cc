//! Webhooks as a tower service, on a hyper server without any framework.
//!
//! ```text
//! WEBHOOKS_SOURCES__STRIPE__SECRET=whsec_… cargo run -p with-hyper
//! ```
//!
//! `GET /balance` is the service's own; `POST /webhooks/stripe` changes what it says.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tower_service::Service as _;
use webhooks::{Event, State, WebhookService, webhook_listener};

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

/// The service's own paths, and the webhooks' for all others: those answer 404 to what they do not know.
async fn answer(
    shop: Arc<Shop>,
    mut webhooks: WebhookService,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/balance") => {
            let cents = shop.cents.load(Ordering::Relaxed);
            Ok(Response::new(Full::from(format!("{cents} cents\n"))))
        }
        _ => webhooks.call(request).await,
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let shop = Arc::new(Shop::default());
    let webhooks = webhooks::autoconfigure().shared_state(Arc::clone(&shop)).await?;
    let service = webhooks.service()?;
    let address = std::env::var("ADDRESS").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(address).await?;

    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(5));
    let connections = GracefulShutdown::new();
    let accept = async {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                // Out of file descriptors, for instance: others will be closed soon.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let (shop, service) = (Arc::clone(&shop), service.clone());
            let answer = service_fn(move |request| answer(Arc::clone(&shop), service.clone(), request));
            let connection = connections.watch(http.serve_connection(TokioIo::new(stream), answer));
            tokio::spawn(async move { drop(connection.await) });
        }
    };
    // The server is ours, and so is its graceful shutdown: no more deliveries, then the runs that are under way.
    let handle = webhooks.handle();
    let signal = webhooks::shutdown_signal();
    let drained = async {
        signal.await;
        handle.drain().await;
    };
    tokio::select! {
        () = drained => {}
        () = accept => {}
    }
    // Whoever keeps an idle connection open does not keep the process.
    let _ = tokio::time::timeout(Duration::from_secs(1), connections.shutdown()).await;
    Ok(())
}
