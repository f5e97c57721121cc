//! The HTTP path, against handlers written by hand that do the same work.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::Sha256;
use support::redis_server::RedisServer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use webhooks::{
    Event, InMemoryWebhookEventStore, RedisWebhookEventStore, WebhookEventStore, Webhooks, webhook_listener,
};

use crate::rounds::paired;
use crate::{AnyError, by_hand};

pub(crate) const SECRET: &str = "a secret for a benchmark";
const CONNECTIONS: u64 = 64;
const REQUESTS: u64 = 60_000;
const GOAL: f64 = 0.95;

static NEXT: AtomicU64 = AtomicU64::new(0);

/// What the listener makes of a body.
#[derive(Deserialize)]
pub(crate) struct Payment {
    pub(crate) amount: u64,
}

#[webhook_listener(source = "hmac", event = "payment.succeeded")]
async fn listen(Event(payment): Event<Payment>) {
    std::hint::black_box(payment.amount);
}

pub(crate) async fn run() -> Result<(), AnyError> {
    let server = RedisServer::start();
    let request = Arc::new(Request::new());
    println!(
        "| HTTP, {CONNECTIONS} connections, 1 KiB | ours, per s | by hand, per s | ratio | of all rounds | goal |\n\
         |---|---|---|---|---|---|"
    );
    let in_memory = InMemoryWebhookEventStore::new().with_max_keys(usize::MAX);
    compare("claims in memory", &request, ours(in_memory).await?, by_hand::in_memory()?).await?;
    let plain = by_hand::in_redis(&server.url(), by_hand::Settle::Set).await?;
    compare("claims in Redis; by hand: two `SET`s", &request, ours(redis(&server).await?).await?, plain)
        .await?;
    let fenced = by_hand::in_redis(&server.url(), by_hand::Settle::Fenced).await?;
    let name = "claims in Redis; by hand: `SET`, and a script that settles only what is still its own";
    compare(name, &request, ours(redis(&server).await?).await?, fenced).await
}

async fn compare(name: &str, request: &Arc<Request>, ours: Router, by_hand: Router) -> Result<(), AnyError> {
    let (ours, by_hand) = (serve(ours).await?, serve(by_hand).await?);
    let pair = paired(|| load(ours, Arc::clone(request)), || load(by_hand, Arc::clone(request))).await?;
    println!("| {name} | {pair} | ≥ {GOAL} |");
    Ok(())
}

async fn redis(server: &RedisServer) -> Result<RedisWebhookEventStore, AnyError> {
    Ok(RedisWebhookEventStore::connect(&server.url()).await?)
}

async fn ours(store: impl WebhookEventStore) -> Result<Router, AnyError> {
    let webhooks = Webhooks::builder()
        .source("hmac", |source| source.secret(SECRET))
        .only(webhooks::listeners![listen])
        .store(store)
        .build()
        .await?;
    Ok(webhooks.router()?)
}

async fn serve(router: Router) -> Result<SocketAddr, AnyError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

/// All that is the same in every request.
struct Request {
    head: String,
    body: String,
}

impl Request {
    fn new() -> Self {
        let body = format!(r#"{{"type":"payment.succeeded","amount":4200,"padding":"{}"}}"#, "x".repeat(960));
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes())
            .unwrap_or_else(|_| unreachable!("any key will do"));
        mac.update(body.as_bytes());
        let signature = hex::encode(mac.finalize().into_bytes());
        let head = format!(
            "POST /webhooks/hmac HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nx-signature: sha256={signature}\r\nx-idempotency-key: ",
            body.len()
        );
        Self { head, body }
    }
}

async fn load(address: SocketAddr, request: Arc<Request>) -> Result<u64, AnyError> {
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..CONNECTIONS {
        let request = Arc::clone(&request);
        clients.spawn(async move { client(address, &request).await });
    }
    while let Some(client) = clients.join_next().await {
        client??;
    }
    Ok(REQUESTS / CONNECTIONS * CONNECTIONS)
}

async fn client(address: SocketAddr, request: &Request) -> Result<(), AnyError> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut answer = [0; 1_024];
    for _ in 0..REQUESTS / CONNECTIONS {
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let text = format!("{}evt_{id}\r\n\r\n{}", request.head, request.body);
        stream.write_all(text.as_bytes()).await?;
        // Both answer with an empty body, so the end of the head is the end of the answer.
        let mut read = 0;
        while !answer[..read].ends_with(b"\r\n\r\n") {
            let more = stream.read(&mut answer[read..]).await?;
            if more == 0 {
                return Err("the server hung up".into());
            }
            read += more;
        }
        if !answer.starts_with(b"HTTP/1.1 200") {
            return Err(String::from_utf8_lossy(&answer[..read]).into_owned().into());
        }
    }
    Ok(())
}
