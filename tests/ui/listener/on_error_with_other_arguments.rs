use webhooks::{WebhookEvent, webhook_listener};

#[webhook_listener(source = "stripe", on_error = failed)]
async fn on_paid() {}

async fn failed(_: &WebhookEvent) {}

fn main() {}
