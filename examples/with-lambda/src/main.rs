//! Webhooks as an AWS Lambda function, behind a function URL or an API Gateway HTTP API.
//!
//! ```text
//! cargo run -p with-lambda
//! ```
//!
//! Lambda starts the same program with the address of its runtime API, from which it then fetches one request after
//! another. Anywhere else it is an ordinary server, which prints a signed request to try it with.
//!
//! # What a function has to be told
//!
//! ```text
//! WEBHOOKS_SOURCES__STRIPE__SECRET    = whsec_…
//! WEBHOOKS_IDEMPOTENCY__PROVIDER      = redis
//! WEBHOOKS_IDEMPOTENCY__REDIS__URL    = rediss://…
//! WEBHOOKS_INLINE__TIMEOUT            = 20s
//! timeout of the function             = 28 s
//! ```
//!
//! - *One memory for all.* Lambda runs as many processes as there are requests at once, and ends them as it likes: what
//!   was handled has to be remembered in Redis. An inbox in a file is of no use here.
//! - *The listener's timeout must end before the function's*, and that before the gateway's (30 s). A run that times out
//!   is a failure like any other: its claim is released, and the next delivery runs it again at once. A function that
//!   times out is killed, and nothing is released: the claim outlives the invocation until its lease ends
//!   (`webhooks.idempotency.lease`, 30 s). Until then the event's redeliveries are answered 503; three attempts that
//!   end like this make the event dead. Lambda's own default, 3 s, is shorter than any listener's.
//! - *Nothing runs on between two invocations*, when the process stands still: an answer is given only when every
//!   listener is through and what became of the event is in Redis.
//! - *A stage other than `$default` is part of the path*: `WEBHOOKS_HTTP__PATH=/prod/webhooks`.
//! - Lambda takes 6 MB a request, less than GitHub's largest deliveries.

use webhooks::{Event, webhook_listener};

#[derive(serde::Deserialize)]
struct PaymentIntent {
    id: String,
    amount: u64,
}

#[webhook_listener(source = "stripe", event = "payment_intent.succeeded")]
async fn on_paid(Event(payment): Event<PaymentIntent>) -> webhooks::Result {
    tracing::info!(payment = payment.id, cents = payment.amount, "paid");
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    tracing_subscriber::fmt().json().init();
    let webhooks = webhooks::autoconfigure().await?;
    if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_none() {
        return Ok(webhooks.serve().await?);
    }
    lambda_http::run(webhooks.service()?).await
}
