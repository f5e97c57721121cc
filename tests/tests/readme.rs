//! The README's example is compiled as it is printed there.

/// What the example leaves to the reader.
#[rustfmt::skip]
#[allow(dead_code)]
mod as_printed {
struct Ledger;

impl Ledger {
    fn open() -> Result<Self, webhooks::Error> {
        Ok(Self)
    }

    async fn credit(&self, _: &str, _: u64) -> std::io::Result<()> {
        Ok(())
    }
}

// ---- README.md ----
use webhooks::{Event, State, webhook_listener};

#[derive(serde::Deserialize)]
struct PaymentIntent { id: String, amount: u64 }

#[webhook_listener(source = "stripe", event = "payment_intent.succeeded")]
async fn on_paid(Event(payment): Event<PaymentIntent>, ledger: State<Ledger>) -> webhooks::Result {
    ledger.credit(&payment.id, payment.amount).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), webhooks::Error> {
    webhooks::autoconfigure().state(Ledger::open()?).await?.serve().await
}
// ---- as it is ----
}

#[test]
fn the_example_is_the_one_that_is_compiled_here() {
    let (readme, this) = (include_str!("../../README.md"), include_str!("readme.rs"));
    let printed = readme.split("```rust\n").nth(1).and_then(|it| it.split("```").next());
    let compiled = this.split("// ---- README.md ----\n").nth(1).and_then(|it| it.split("// ---- as").next());
    assert!(printed.is_some());
    assert_eq!(printed, compiled);
    assert_eq!(readme.matches("```rust\n").count(), 1, "another example wants to be compiled too");
}
