//! A ledger in PostgreSQL that is credited once: under duplicates, failures, crashes, and connections cut during COMMIT.
//!
//! `cargo run -p with-postgres` listens and prints a request to try; `-- --demo` sends two hundred itself, many of which
//! go wrong, and adds up the balances. The demonstration has a database of its own in a temporary folder, where PostgreSQL is
//! installed; without it, that is what there is unless `DATABASE_URL` names another.
//!
//! With `WEBHOOKS_INBOX__PROVIDER=sqlite` deliveries are stored first and handled after, with
//! `WEBHOOKS_IDEMPOTENCY__PROVIDER=redis` several processes share what they remember; the ledger is the same.

#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

use sqlx::Postgres;
use sqlx::postgres::PgListener;
use tokio::net::TcpListener;
use trouble::Trouble;
use webhooks::{Event, State, Tx, WebhookEvent, webhook_listener};

mod database;
mod demo;
mod trouble;

#[derive(serde::Deserialize)]
struct PaymentIntent {
    #[serde(default = "somebody")]
    customer: String,
    amount: i64,
}

/// Credits the customer. The entry, the balance and the record that this listener has handled this event are one commit.
#[webhook_listener(source = "stripe", event = "payment_intent.succeeded")]
async fn on_paid(
    Event(payment): Event<PaymentIntent>,
    event: WebhookEvent,
    mut tx: Tx<Postgres>,
    trouble: State<Trouble>,
) -> webhooks::Result {
    sqlx::query("INSERT INTO entries (customer, cents, event) VALUES ($1, $2, $3)")
        .bind(&payment.customer)
        .bind(payment.amount)
        .bind(event.id())
        .execute(&mut *tx)
        .await?;
    let balance: i64 = sqlx::query_scalar(
        "INSERT INTO balances (customer, cents) VALUES ($1, $2)
         ON CONFLICT (customer) DO UPDATE SET cents = balances.cents + excluded.cents RETURNING cents",
    )
    .bind(&payment.customer)
    .bind(payment.amount)
    .fetch_one(&mut *tx)
    .await?;
    // Heard by whoever listens, once it is committed.
    let news = format!("{} has {}", payment.customer, money(balance));
    sqlx::query("SELECT pg_notify('credited', $1)").bind(news).execute(&mut *tx).await?;
    trouble.strike(&event, &mut tx).await
}

fn somebody() -> String {
    "somebody".to_owned()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // `with-postgres webhooks explain EVENT_ID`, where there is an inbox.
    if webhooks::cli(std::env::args()).await? {
        return Ok(());
    }
    let is_demo = std::env::args().any(|it| it == "--demo");
    // What is demonstrated must not happen to anybody's data.
    let database = if is_demo { database::own().await? } else { database::open().await? };
    sqlx::raw_sql(
        "CREATE TABLE IF NOT EXISTS entries (customer text NOT NULL, cents bigint NOT NULL, event text NOT NULL);
         CREATE TABLE IF NOT EXISTS balances (customer text PRIMARY KEY, cents bigint NOT NULL);",
    )
    .execute(&database.pool)
    .await?;
    if is_demo {
        return demo::run(&database.pool).await;
    }
    let webhooks = webhooks::autoconfigure().state(database.pool.clone()).state(Trouble::none()).await?;
    let address = std::env::var("ADDRESS").unwrap_or_else(|_| "127.0.0.1:8080".to_owned());
    let listener = TcpListener::bind(&address).await?;
    let address = listener.local_addr()?;
    println!("Listening on http://{address}. The database is {}.", database.place);
    if let Some(sample) = webhooks.sample_requests().next() {
        println!(
            "In another terminal, paste this as often as you like:\n\n{}\n",
            sample.curl(&address.to_string())
        );
    }
    let mut credited = PgListener::connect_with(&database.pool).await?;
    credited.listen("credited").await?;
    let told = tokio::spawn(tell(credited));
    webhooks.serve_on(listener).await?;
    told.abort();
    Ok(())
}

/// Prints each balance that has changed.
async fn tell(mut credited: PgListener) -> sqlx::Result<()> {
    loop {
        println!("  ✔ {}", credited.recv().await?.payload());
    }
}

fn money(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}
