//! A ledger in PostgreSQL that is credited once: under duplicates, failures, crashes, and connections cut during COMMIT.
//!
//! `cargo run -p with-postgres` listens and prints a request to try; `-- --demo` sends two hundred itself, many of which
//! go wrong, and adds up the balances. The database is that of `DATABASE_URL`; without it, one of its own in a temporary
//! folder, where PostgreSQL is installed.
//!
//! With `WEBHOOKS_INBOX__PROVIDER=sqlite` deliveries are stored first and handled after, with
//! `WEBHOOKS_IDEMPOTENCY__PROVIDER=redis` several processes share what they remember; the ledger is the same.

#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

use sqlx::postgres::PgListener;
use sqlx::{PgPool, Postgres};
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
    sqlx::query(
        "INSERT INTO balances (customer, cents) VALUES ($1, $2)
         ON CONFLICT (customer) DO UPDATE SET cents = balances.cents + excluded.cents",
    )
    .bind(&payment.customer)
    .bind(payment.amount)
    .execute(&mut *tx)
    .await?;
    // Told to whoever listens, when it is committed.
    sqlx::query("SELECT pg_notify('credited', $1)").bind(&payment.customer).execute(&mut *tx).await?;
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
    let database = database::open().await?;
    sqlx::raw_sql(
        "CREATE TABLE IF NOT EXISTS entries (customer text NOT NULL, cents bigint NOT NULL, event text NOT NULL);
         CREATE TABLE IF NOT EXISTS balances (customer text PRIMARY KEY, cents bigint NOT NULL);",
    )
    .execute(&database.pool)
    .await?;
    if std::env::args().any(|it| it == "--demo") {
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
    let told = tokio::spawn(tell(database.pool.clone()));
    webhooks.serve_on(listener).await?;
    told.abort();
    Ok(())
}

/// Prints a balance whenever it has changed.
async fn tell(pool: PgPool) -> sqlx::Result<()> {
    let mut credited = PgListener::connect_with(&pool).await?;
    credited.listen("credited").await?;
    loop {
        let customer = credited.recv().await?.payload().to_owned();
        let balance = sqlx::query_scalar("SELECT cents FROM balances WHERE customer = $1").bind(&customer);
        let cents: i64 = balance.fetch_one(&pool).await?;
        println!("  ✔ {customer} has {}", demo::money(cents));
    }
}
