use webhooks::webhook_listener;

#[webhook_listener(source = "stripe")]
const async fn on_paid() {}

fn main() {}
