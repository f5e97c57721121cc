use webhooks::{Event, webhook_listener};

#[webhook_listener(source = "stripe")]
async fn on_paid<T: Send>(_: Event<T>) {}

fn main() {}
