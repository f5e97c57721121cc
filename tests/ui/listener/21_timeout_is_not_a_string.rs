use webhooks::webhook_listener;

#[webhook_listener(source = "github", timeout = 30s)]
async fn on_paid() {}

fn main() {}
