use webhooks::{State, webhook_listener};

#[webhook_listener(source = "stripe")]
async fn on_paid<'a>(_: State<&'a str>) {}

fn main() {}
