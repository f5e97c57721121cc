use webhooks::webhook_listener;

#[webhook_listener(source = "stripe", event = "*.succeeded")]
async fn on_paid() {}

fn main() {}
