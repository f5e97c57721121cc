use webhooks::webhook_listener;

#[webhook_listener(source = "stripe")]
#[webhook_listener(source = "github")]
async fn on_paid() {}

fn main() {}
