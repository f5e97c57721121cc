use webhooks::webhook_listener;

use std::future::ready;
use std::rc::Rc;

#[webhook_listener(source = "stripe")]
async fn on_paid() {
    let count = Rc::new(0);
    ready(()).await;
    drop(count);
}

fn main() {}
