use webhooks::webhook_listener;

#[webhook_listener(source = "github")]
struct OnPush;

fn main() {}
