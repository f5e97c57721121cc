use webhooks::{Event, webhook_listener};

#[webhook_listener(source = "stripe")]
async fn on_paid(_: Event<impl Send>) {}

fn main() {}
