use webhooks::webhook_listener;

#[webhook_listener]
async fn on_paid() {}

fn main() {}
