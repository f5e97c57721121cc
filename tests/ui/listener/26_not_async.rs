use webhooks::webhook_listener;

#[webhook_listener(source = "github")]
fn on_push() {}

fn main() {}
