use webhooks::{Attempt, webhook_listener};

#[webhook_listener(source = "stripe")]
async fn on_paid(
    _: Attempt,
    _: Attempt,
    _: Attempt,
    _: Attempt,
    _: Attempt,
    _: Attempt,
    _: Attempt,
    _: Attempt,
    _: Attempt,
    _: Attempt,
    _: Attempt,
    _: Attempt,
    _: Attempt,
    _: Attempt,
    _: Attempt,
    _: Attempt,
    _: Attempt,
) {
}

fn main() {}
