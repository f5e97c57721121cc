use webhooks::webhook_listener;

#[webhook_listener(source = "stripe")]
async unsafe fn on_paid() {}

fn main() {}
