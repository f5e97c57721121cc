use webhooks::webhook_listener;

#[webhook_listener(source = "stripe", on_error = failed)]
async fn on_paid() {}

fn main() {}
