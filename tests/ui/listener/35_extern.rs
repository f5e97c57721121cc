use webhooks::webhook_listener;

#[webhook_listener(source = "stripe")]
async extern "C" fn on_paid() {}

fn main() {}
