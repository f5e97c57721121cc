use webhooks::webhook_listener;

#[webhook_listener(source = "stripe", event = "payment*")]
async fn on_paid() {}

fn main() {}
