use webhooks::webhook_listener;

#[webhook_listener(source = "github", source = "gitlab")]
async fn on_paid() {}

fn main() {}
