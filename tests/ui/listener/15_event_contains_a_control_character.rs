use webhooks::webhook_listener;

#[webhook_listener(source = "github", event = "push\n")]
async fn on_paid() {}

fn main() {}
