use webhooks::webhook_listener;

#[webhook_listener(event = "push")]
async fn on_paid() {}

fn main() {}
