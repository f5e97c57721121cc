use webhooks::webhook_listener;

#[webhook_listener(source = "github", concurrency = 0)]
async fn on_paid() {}

fn main() {}
