//! What a careful engineer writes by hand: verify, parse, claim, handle, settle.

use std::collections::HashSet;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use redis::Script;
use serde::Deserialize;
use sha2::Sha256;

use crate::AnyError;
use crate::http::{Payment, SECRET};
use crate::store::bare;

const DAY_IN_MILLISECONDS: u64 = 86_400_000;

/// How a claim in Redis becomes a record.
#[derive(Clone, Copy)]
pub(crate) enum Settle {
    /// Whoever has it by now.
    Set,
    /// If it is still the claim that was made.
    Fenced,
}

/// Claims in a set that never forgets, handled in a task of its own, so that who hangs up cancels nothing.
pub(crate) fn in_memory() -> Result<Router, AnyError> {
    let seen = Arc::new(Mutex::new(HashSet::new()));
    router(move |id, payment| {
        let seen = Arc::clone(&seen);
        async move {
            if !seen.lock().unwrap_or_else(PoisonError::into_inner).insert(id) {
                return StatusCode::OK;
            }
            handle(payment);
            StatusCode::OK
        }
    })
}

/// Claims in Redis.
pub(crate) async fn in_redis(url: &str, settle: Settle) -> Result<Router, AnyError> {
    let connection = bare::connect(url).await?;
    let script = Arc::new(Script::new(
        "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('SET', KEYS[1], 'done', 'PX', ARGV[2]) end",
    ));
    router(move |id, payment| {
        let (mut connection, script) = (connection.clone(), Arc::clone(&script));
        async move {
            let token = webhooks::Token::random().to_string();
            let mut claim = redis::cmd("SET");
            claim.arg(&id).arg(&token).arg("NX").arg("PX").arg(DAY_IN_MILLISECONDS);
            match claim.query_async(&mut connection).await {
                Ok(true) => {}
                Ok(false) => return StatusCode::OK,
                Err(_) => return StatusCode::SERVICE_UNAVAILABLE,
            }
            handle(payment);
            let settled: redis::RedisResult<()> = match settle {
                Settle::Set => {
                    let mut set = redis::cmd("SET");
                    set.arg(&id).arg("done").arg("PX").arg(DAY_IN_MILLISECONDS);
                    set.query_async(&mut connection).await
                }
                Settle::Fenced => {
                    let mut call = script.key(&id);
                    call.arg(&token).arg(DAY_IN_MILLISECONDS).invoke_async(&mut connection).await
                }
            };
            if settled.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
        }
    })
}

fn handle(payment: Payment) {
    std::hint::black_box(payment.amount);
}

fn router<F, Fut>(accept: F) -> Result<Router, AnyError>
where
    F: Fn(String, Payment) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = StatusCode> + Send + 'static,
{
    #[derive(Deserialize)]
    struct Envelope<'b> {
        #[serde(rename = "type")]
        kind: &'b str,
    }
    let key = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes())?;
    let handler = move |headers: HeaderMap, body: Bytes| {
        let (accept, key) = (accept.clone(), key.clone());
        async move {
            let text = |name| headers.get(name).and_then(|it| it.to_str().ok());
            let signature = text("x-signature").and_then(|it| hex::decode(it.strip_prefix("sha256=")?).ok());
            if signature.is_none_or(|it| key.chain_update(&body).verify_slice(&it).is_err()) {
                return StatusCode::UNAUTHORIZED;
            }
            let Some(id) = text("x-idempotency-key") else { return StatusCode::BAD_REQUEST };
            match serde_json::from_slice::<Envelope<'_>>(&body) {
                Ok(envelope) if envelope.kind == "payment.succeeded" => {}
                Ok(_) => return StatusCode::OK,
                Err(_) => return StatusCode::BAD_REQUEST,
            }
            let Ok(payment) = serde_json::from_slice(&body) else { return StatusCode::BAD_REQUEST };
            let task = tokio::spawn(accept(id.to_owned(), payment));
            task.await.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
        }
    };
    Ok(Router::new().route("/webhooks/hmac", post(handler)))
}
