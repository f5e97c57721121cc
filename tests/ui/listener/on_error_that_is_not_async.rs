use webhooks::{Failure, WebhookEvent, webhook_listener};

#[webhook_listener(source = "stripe", on_error = failed)]
async fn on_paid() {}

fn failed(_: &WebhookEvent, _: &Failure) {}

fn main() {}
