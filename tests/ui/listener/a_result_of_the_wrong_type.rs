use webhooks::webhook_listener;

#[webhook_listener(source = "stripe")]
async fn on_paid() -> u32 {
    0
}

fn main() {}
