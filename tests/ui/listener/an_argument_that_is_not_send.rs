use webhooks::{State, webhook_listener};

use std::rc::Rc;

#[webhook_listener(source = "stripe")]
async fn on_paid(_: State<Rc<str>>) {}

fn main() {}
