//! Two receivers that know of each other only what is in the database, and a provider that sends everything five times.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use hmac::{Hmac, KeyInit, Mac};
use http::Request;
use sha2::Sha256;
use sqlx::PgPool;
use webhooks::{Webhooks, listeners};

use crate::money;
use crate::trouble::Trouble;

const SECRET: &str = "whsec_of_the_demonstration";
const EVENTS: i64 = 40;
const DELIVERIES: i64 = 5;
const CUSTOMERS: [&str; 4] = ["ada", "grace", "edsger", "barbara"];

/// Sends everything at once, sends again what was not answered 200, and adds up.
pub(crate) async fn run(pool: &PgPool) -> Result<(), Box<dyn std::error::Error>> {
    // Panics are caught, and logged where somebody logs.
    std::panic::set_hook(Box::new(|_| {}));
    let trouble = Arc::new(Trouble::plenty());
    let receivers = [receiver(pool, &trouble).await?, receiver(pool, &trouble).await?];
    let run = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_nanos();
    println!(
        "{EVENTS} payments, each delivered {DELIVERIES} times at once, to two receivers with no memory in common."
    );
    let deliveries = (0..EVENTS * DELIVERIES).map(|number| {
        let receiver = &receivers[usize::from(number % 2 == 0)];
        deliver(receiver, run, number / DELIVERIES)
    });
    let sent: u32 = join_all(deliveries).await.into_iter().sum::<Result<_, _>>()?;

    let entries: i64 = sqlx::query_scalar("SELECT count(*) FROM entries").fetch_one(pool).await?;
    println!(
        "{sent} deliveries until all were answered 200: {} events failed, panicked or lost their connection after the \
         money was written.\n{entries} entries.\n",
        trouble.count()
    );
    let mut all_is_well = entries == EVENTS;
    for customer in CUSTOMERS {
        let expected: i64 = (0..EVENTS).filter(|it| payer(*it) == customer).map(amount).sum();
        let balance = "SELECT cents FROM balances WHERE customer = $1";
        let balance: Option<i64> = sqlx::query_scalar(balance).bind(customer).fetch_optional(pool).await?;
        let balance = balance.unwrap_or_default();
        let (sign, balance_is) =
            if balance == expected { ("✔", "as it should be") } else { ("✘", "which is wrong") };
        println!("  {sign} {customer:8} {:>8}, {balance_is}", money(balance));
        all_is_well &= balance == expected;
    }
    if all_is_well { Ok(()) } else { Err("the balances do not add up".into()) }
}

/// A receiver as in a process of its own: it remembers in its own memory what it has handled.
async fn receiver(pool: &PgPool, trouble: &Arc<Trouble>) -> Result<Webhooks, webhooks::Error> {
    Webhooks::builder()
        .source("stripe", |source| source.secret(SECRET))
        .listeners(listeners![crate::on_paid])
        .state(pool.clone())
        .shared_state(Arc::clone(trouble))
        .await
}

/// Delivers until it is taken, as providers do. Returned is how often.
async fn deliver(receiver: &Webhooks, run: u128, number: i64) -> Result<u32, String> {
    let body = serde_json::json!({
        "id": format!("evt_{run}_{number}"),
        "type": "payment_intent.succeeded",
        "data": { "object": { "customer": payer(number), "amount": amount(number) } },
    })
    .to_string();
    for time in 1..=50 {
        let request = signed(&body).map_err(|error| error.to_string())?;
        if receiver.process(request).await.status == 200 {
            return Ok(time);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err(format!("payment {number} was not taken"))
}

/// As Stripe signs.
fn signed(body: &str) -> Result<Request<bytes::Bytes>, Box<dyn std::error::Error>> {
    let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes())?;
    mac.update(format!("{time}.{body}").as_bytes());
    let signature = format!("t={time},v1={}", hex::encode(mac.finalize().into_bytes()));
    let request = Request::post("/webhooks/stripe").header("Stripe-Signature", signature);
    Ok(request.body(body.to_owned().into())?)
}

fn payer(number: i64) -> &'static str {
    CUSTOMERS[usize::try_from(number / 4).unwrap_or_default() % CUSTOMERS.len()]
}

fn amount(number: i64) -> i64 {
    100 + 37 * number
}
