//! The first five minutes with `webhooks`: no settings, no server, no account.
//!
//! `cargo run -p quickstart` listens and prints three commands to try; `-- --demo` tries them itself and ends.

#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use webhooks::{Event, SampleRequest, WebhookEvent, webhook_listener};

#[derive(serde::Deserialize)]
struct PaymentIntent {
    id: String,
    amount: u64,
    currency: String,
}

/// A listener: an async function, and what it listens to.
#[webhook_listener(source = "stripe", event = "payment_intent.succeeded")]
async fn on_paid(Event(payment): Event<PaymentIntent>, event: WebhookEvent) -> webhooks::Result {
    let (whole, cents) = (payment.amount / 100, payment.amount % 100);
    println!("  ✔ {}  {}", event.event_type(), event.id().unwrap_or("-"));
    println!("    {} paid {whole}.{cents:02} {}\n", payment.id, payment.currency);
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let webhooks = webhooks::autoconfigure().await?;
    let listener = first_free_port(8080).await?;
    let address = listener.local_addr()?;
    let Some(sample) = webhooks.sample_requests().next().cloned() else {
        return Err("quickstart makes its own secret: unset WEBHOOKS_SOURCES__STRIPE__SECRET".into());
    };
    if std::env::args().any(|it| it == "--demo") {
        tokio::spawn(webhooks.serve_on(listener));
        return demo(&sample, address).await;
    }
    println!("\nListening on http://{address}. In another terminal, paste:\n");
    for (title, request) in three(&sample) {
        println!("# {title}\n{}\n", request.curl(&address.to_string()));
    }
    println!("Events, as they are handled:\n");
    Ok(webhooks.serve_on(listener).await?)
}

/// A signed delivery, the same again, and a forgery.
fn three(sample: &SampleRequest) -> [(&'static str, SampleRequest); 3] {
    [
        ("a signed delivery: 200", sample.clone()),
        ("the same again: 200, and the listener does not run a second time", sample.clone()),
        ("a forged one: 401", sample.forged()),
    ]
}

async fn demo(sample: &SampleRequest, address: SocketAddr) -> Result<(), Box<dyn std::error::Error>> {
    for ((title, request), expected) in three(sample).into_iter().zip([200, 200, 401]) {
        println!("{title}");
        let status = send(&request, address).await?;
        println!("  → {status}\n");
        if status != expected {
            return Err(format!("expected {expected}").into());
        }
    }
    Ok(())
}

/// What `curl` would do.
async fn send(request: &SampleRequest, address: SocketAddr) -> Result<u16, Box<dyn std::error::Error>> {
    let mut stream = TcpStream::connect(address).await?;
    let mut head = format!("POST {} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n", request.path);
    for (name, value) in &request.headers {
        head.push_str(&format!("{name}: {}\r\n", value.to_str()?));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", request.body.len()));
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&request.body).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let status = answer.split(' ').nth(1).ok_or("no status in the answer")?;
    Ok(status.parse()?)
}

async fn first_free_port(wanted: u16) -> std::io::Result<TcpListener> {
    for port in wanted..wanted.saturating_add(100) {
        match TcpListener::bind(("127.0.0.1", port)).await {
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {}
            result => return result,
        }
    }
    TcpListener::bind(("127.0.0.1", 0)).await
}
