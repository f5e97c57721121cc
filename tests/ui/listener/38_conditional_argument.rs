use webhooks::{Attempt, webhook_listener};

#[webhook_listener(source = "stripe")]
async fn on_paid(#[cfg(unix)] _: Attempt) {}

fn main() {}
