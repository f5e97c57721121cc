//! The README's examples are compiled as they are printed there, and the one of a test is run.

/// What the example leaves to the reader.
#[rustfmt::skip]
#[allow(dead_code)]
mod as_printed {
struct Ledger;

impl Ledger {
    fn open() -> std::io::Result<Self> {
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
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().init();
    webhooks::autoconfigure().state(Ledger::open()?).await?.serve().await?;
    Ok(())
}
// ---- as it is ----
}

/// The listener of the README's test, which there stands above.
mod as_tested {
    use serde_json::json;
    use webhooks::{Event, Outcome, State, Webhooks, listeners, testing, webhook_listener};

    #[derive(serde::Deserialize)]
    struct PaymentIntent {
        amount: u64,
    }

    #[derive(Default)]
    struct Ledger {
        balance: std::sync::atomic::AtomicU64,
    }

    #[webhook_listener(source = "stripe", event = "payment_intent.succeeded")]
    async fn on_paid(Event(payment): Event<PaymentIntent>, ledger: State<Ledger>) {
        assert_eq!(payment.amount, 42);
        ledger.balance.fetch_add(payment.amount, std::sync::atomic::Ordering::Relaxed);
    }

    #[rustfmt::skip]
    #[tokio::test]
    async fn a_listener_is_tested_in_three_lines() -> Result<(), Box<dyn std::error::Error>> {
// ---- README.md ----
let client = testing::client(Webhooks::builder().listeners(listeners![on_paid]).state(Ledger::default())).await?;
let report = client.send(testing::stripe("payment_intent.succeeded").json(json!({"id": "pi_1", "amount": 42}))).await?;
assert_eq!(report.outcome, Outcome::Handled);
// ---- as it is ----
        Ok(())
    }
}

#[test]
fn the_examples_are_those_that_are_compiled_here() {
    let (readme, this) = (include_str!("../../README.md"), include_str!("readme.rs"));
    let printed: Vec<_> = readme.split("```rust\n").skip(1).filter_map(|it| it.split("```").next()).collect();
    let compiled = this.split("// ---- README.md ----\n").skip(1);
    let compiled: Vec<_> = compiled.filter_map(|it| it.split("// ---- as").next()).collect();
    // This function quotes the mark, too.
    assert_eq!(printed, compiled[..2]);
}

/// The page of the package has one too: links of the other README lead nowhere from there.
#[test]
fn the_example_of_the_package_is_the_first_of_the_crate_documentation() {
    let first_of = |text: &'static str, fence: &str| text.split(fence).nth(1)?.split("```").next();
    let readme = first_of(include_str!("../../webhooks/README.md"), "```rust\n");
    assert!(readme.is_some());
    assert_eq!(readme, first_of(include_str!("../../webhooks/src/docs/crate.md"), "```no_run\n"));
}
