use webhooks::webhook_listener;

#[webhook_listener(source = "github", on_error = "report")]
async fn on_paid() {}

fn main() {}
