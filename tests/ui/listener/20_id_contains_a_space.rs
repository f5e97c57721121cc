use webhooks::webhook_listener;

#[webhook_listener(source = "github", id = "on paid")]
async fn on_paid() {}

fn main() {}
