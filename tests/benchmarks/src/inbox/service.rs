//! A service with an inbox, and clients that deliver to it in process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};
use webhooks::{
    Builder, Delivery, Settings, SourceName, State, WebhookEvent, WebhookEventListener, WebhookProcessor,
    Webhooks, webhook_listener,
};

use super::Engine;
use crate::AnyError;

const SECRET: &str = "a secret for a benchmark";

/// Every delivery is a new event.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// Lets listeners go on.
struct Gate(Semaphore);

/// Waits at the gate, if there is one to wait at.
#[webhook_listener(source = "hmac")]
async fn listen(gate: State<Gate>) {
    drop(gate.0.acquire().await);
}

/// One of those that hear something else.
struct Idle(usize);

impl WebhookEventListener for Idle {
    fn source(&self) -> &str {
        "hmac"
    }

    fn id(&self) -> String {
        format!("idle {}", self.0)
    }

    fn events(&self) -> Vec<String> {
        vec![format!("idle.{}", self.0)]
    }

    async fn handle(&self, _: &WebhookEvent) -> webhooks::Result {
        Ok(())
    }
}

/// A service with an inbox.
pub(super) struct Service {
    processor: WebhookProcessor,
    webhooks: Webhooks,
    body: Bytes,
    signature: String,
}

impl Service {
    /// Starts one. A busy one has a single worker, which does not come back from its first event: what is measured then
    /// is how fast deliveries are stored.
    pub(super) async fn start(engine: &Engine, busy: bool) -> Result<Self, AnyError> {
        Self::start_beside(0, engine, busy).await
    }

    /// Starts one that has so many listeners more, which hear nothing.
    pub(super) async fn start_beside(idle: usize, engine: &Engine, busy: bool) -> Result<Self, AnyError> {
        let place = match engine {
            Engine::Sqlite(path) => format!("provider = \"sqlite\"\npath = \"{}\"", path.display()),
            Engine::Postgres(url) => format!("provider = \"postgres\"\nurl = \"{url}\""),
        };
        let concurrency = if busy { 1 } else { 32 };
        let settings = format!(
            "[inbox]\n{place}\nconcurrency = {concurrency}\nmax_pending = 100000000\ntimeout = \"1d\""
        );
        let builder = Webhooks::builder()
            .settings(settings.parse::<Settings>()?)
            .source("hmac", |source| source.secret(SECRET))
            .only(webhooks::listeners![listen])
            .state(Gate(Semaphore::new(if busy { 0 } else { Semaphore::MAX_PERMITS })));
        let webhooks =
            (0..idle).fold(builder, |builder: Builder, at| builder.listener(Idle(at))).build().await?;
        let body = format!(r#"{{"type":"payment.succeeded","amount":4200,"padding":"{}"}}"#, "x".repeat(960));
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes())?;
        mac.update(body.as_bytes());
        let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
        Ok(Self { processor: webhooks.handle().processor().clone(), webhooks, body: body.into(), signature })
    }

    /// Has as many clients deliver as many events between them. How long each took to be acknowledged.
    pub(super) async fn deliver(&self, clients: u64, total: u64) -> Result<Vec<Duration>, AnyError> {
        let mut all = JoinSet::new();
        for _ in 0..clients {
            let (processor, body, signature) =
                (self.processor.clone(), self.body.clone(), self.signature.clone());
            all.spawn(async move {
                let mut latencies = Vec::new();
                for _ in 0..total / clients {
                    let delivery = delivery(&body, &signature)?;
                    let began = Instant::now();
                    let reply = processor.process(delivery).await;
                    latencies.push(began.elapsed());
                    if reply.status != 200 {
                        return Err(format!("answered {}", reply.status).into());
                    }
                }
                Ok::<_, AnyError>(latencies)
            });
        }
        let mut latencies = Vec::new();
        while let Some(client) = all.join_next().await {
            latencies.extend(client??);
        }
        Ok(latencies)
    }

    /// Returns when nothing is pending.
    pub(super) async fn settled(&self) -> Result<(), AnyError> {
        let inbox = self.webhooks.inbox().ok_or("there is an inbox")?;
        while inbox.backlog().await?.iter().any(|it| it.pending > 0) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Sweeps, over and over.
    pub(super) fn sweep_without_end(&self) -> AbortHandle {
        let inbox = self.webhooks.inbox().map(Arc::new);
        let sweeping = tokio::spawn(async move {
            let Some(inbox) = inbox else { return };
            while inbox.sweep().await.is_ok() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        sweeping.abort_handle()
    }
}

fn delivery(body: &Bytes, signature: &str) -> Result<Delivery, AnyError> {
    let source = SourceName::new("hmac").ok_or("it is a name")?;
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    let headers = [("x-signature", signature.to_owned()), ("x-idempotency-key", format!("evt_{id}"))];
    let mut map = axum::http::HeaderMap::new();
    for (name, value) in headers {
        map.insert(name, value.parse()?);
    }
    Ok(Delivery::new(source, body.clone()).with_headers(map))
}
