use webhooks::{Event, webhook_listener};

struct Ledger;

#[webhook_listener(source = "stripe")]
async fn on_paid(_: Event<String>, ledger: Ledger) {
    let _ = ledger;
}

fn main() {}
