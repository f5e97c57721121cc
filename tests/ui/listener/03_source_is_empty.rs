use webhooks::webhook_listener;

#[webhook_listener(source = "")]
async fn on_paid() {}

fn main() {}
