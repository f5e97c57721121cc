use webhooks::webhook_listener;

#[webhook_listener(source = "github", event = ["push", 7])]
async fn on_paid() {}

fn main() {}
