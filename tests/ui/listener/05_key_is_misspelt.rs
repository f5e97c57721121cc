use webhooks::webhook_listener;

#[webhook_listener(source = "github", evnt = "push")]
async fn on_paid() {}

fn main() {}
