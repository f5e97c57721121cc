use webhooks::webhook_listener;

struct Billing;

impl Billing {
    #[webhook_listener(source = "stripe")]
    async fn on_paid(&self) {}
}

fn main() {}
