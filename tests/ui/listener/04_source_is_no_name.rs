use webhooks::webhook_listener;

#[webhook_listener(source = "Stripe EU")]
async fn on_paid() {}

fn main() {}
