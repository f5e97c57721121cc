use webhooks::{Secrets, webhook_validator};

#[webhook_validator(name = "acme")]
fn acme(_: Secrets) {}

fn main() {}
