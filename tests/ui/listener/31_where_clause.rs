use webhooks::webhook_listener;

#[webhook_listener(source = "stripe")]
async fn on_paid()
where
    String: Clone,
{
}

fn main() {}
