use webhooks::webhook_listener;

#[webhook_listener(source = "github", retry(attempts = 8))]
async fn on_paid() {}

fn main() {}
