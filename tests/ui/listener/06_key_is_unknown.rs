use webhooks::webhook_listener;

#[webhook_listener(source = "github", priority = "high")]
async fn on_paid() {}

fn main() {}
