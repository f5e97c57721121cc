//! The HTTP path with Redis, against a handler written by hand that does the same work.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use redis::aio::ConnectionManager;
use sha2::Sha256;
use support::redis_server::RedisServer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use webhooks::{RedisWebhookEventStore, WebhookEvent, Webhooks, webhook_listener};

use crate::AnyError;
use crate::rounds::paired;

const SECRET: &str = "a secret for a benchmark";
const CONNECTIONS: u64 = 64;
const REQUESTS: u64 = 60_000;

static NEXT: AtomicU64 = AtomicU64::new(0);

#[webhook_listener(source = "hmac")]
async fn listen(_event: WebhookEvent) {}

pub(crate) async fn run() -> Result<(), AnyError> {
    let server = RedisServer::start();
    let ours = serve(ours(&server).await?).await?;
    let theirs = serve(by_hand(&server).await?).await?;
    let request = Arc::new(Request::new());
    let pair = paired(|| load(ours, Arc::clone(&request)), || load(theirs, Arc::clone(&request))).await?;
    println!("| HTTP with Redis, {CONNECTIONS} connections, 1 KiB | per s |\n|---|---|");
    println!("| ours | {:.0} |\n| written by hand | {:.0} |", pair.ours, pair.theirs);
    println!("| ratio | {:.2} |", pair.ratio);
    Ok(())
}

async fn ours(server: &RedisServer) -> Result<Router, AnyError> {
    let webhooks = Webhooks::builder()
        .source("hmac", |source| source.secret(SECRET))
        .listeners(webhooks::listeners![listen])
        .store(RedisWebhookEventStore::connect(&server.url()).await?)
        .build()
        .await?;
    Ok(webhooks.router()?)
}

/// Verifies, claims with one `SET`, settles with one more.
async fn by_hand(server: &RedisServer) -> Result<Router, AnyError> {
    let connection = ConnectionManager::new(redis::Client::open(server.url())?).await?;
    let key = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes())?;
    let handler = move |headers: HeaderMap, body: Bytes| {
        let (mut connection, key) = (connection.clone(), key.clone());
        async move {
            let signature =
                headers.get("x-signature").and_then(|it| it.to_str().ok()?.strip_prefix("sha256="));
            let Some(signature) = signature.and_then(|it| hex::decode(it).ok()) else {
                return StatusCode::UNAUTHORIZED;
            };
            if key.chain_update(&body).verify_slice(&signature).is_err() {
                return StatusCode::UNAUTHORIZED;
            }
            let Some(id) = headers.get("x-idempotency-key").and_then(|it| it.to_str().ok()) else {
                return StatusCode::BAD_REQUEST;
            };
            let mut claim = redis::cmd("SET");
            claim.arg(id).arg("running").arg("NX").arg("PX").arg(86_400_000);
            match claim.query_async(&mut connection).await {
                Ok(true) => {}
                Ok(false) => return StatusCode::OK,
                Err(_) => return StatusCode::SERVICE_UNAVAILABLE,
            }
            let mut settle = redis::cmd("SET");
            settle.arg(id).arg("done").arg("PX").arg(86_400_000);
            match settle.query_async::<()>(&mut connection).await {
                Ok(()) => StatusCode::OK,
                Err(_) => StatusCode::SERVICE_UNAVAILABLE,
            }
        }
    };
    Ok(Router::new().route("/webhooks/hmac", post(handler)))
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
        let body = format!(r#"{{"type":"payment.succeeded","padding":"{}"}}"#, "x".repeat(980));
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
