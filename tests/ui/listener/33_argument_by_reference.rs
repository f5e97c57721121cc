use webhooks::{WebhookEvent, webhook_listener};

#[webhook_listener(source = "stripe")]
async fn on_paid(_: &WebhookEvent) {}

fn main() {}
