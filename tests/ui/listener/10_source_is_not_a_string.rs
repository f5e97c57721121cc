use webhooks::webhook_listener;

#[webhook_listener(source = GITHUB)]
async fn on_paid() {}

fn main() {}
