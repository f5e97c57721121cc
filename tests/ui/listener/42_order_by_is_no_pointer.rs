use webhooks::webhook_listener;

#[webhook_listener(source = "github", order_by = "customer")]
async fn on_paid() {}

fn main() {}
