use webhooks::{Event, webhook_listener};

#[webhook_listener(source = "Stripe", evnt = "push", id = "", timeout = "soon", on_error = 7)]
fn on_paid<T>(_: &Event<T>) {}

fn main() {}
