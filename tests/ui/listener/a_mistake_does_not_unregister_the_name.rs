use webhooks::listeners;

mod billing {
    use webhooks::webhook_listener;

    #[webhook_listener(source = "")]
    pub async fn on_paid() {}
}

fn main() {
    // Neither the call nor the list is reported besides.
    let _ = billing::on_paid();
    let _ = listeners![billing::on_paid];
}
