use webhooks::webhook_listener;

#[webhook_listener("github")]
async fn on_paid() {}

fn main() {}
