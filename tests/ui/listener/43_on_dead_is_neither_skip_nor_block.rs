use webhooks::webhook_listener;

#[webhook_listener(source = "github", order_by = "/customer", on_dead = "stop")]
async fn on_paid() {}

fn main() {}
