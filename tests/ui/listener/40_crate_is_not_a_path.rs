use webhooks::webhook_listener;

#[webhook_listener(source = "stripe", crate = "webhooks")]
async fn on_paid() {}

fn main() {}
