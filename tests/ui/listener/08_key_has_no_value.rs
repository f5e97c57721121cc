use webhooks::webhook_listener;

#[webhook_listener(source = "github", event)]
async fn on_paid() {}

fn main() {}
