use webhooks::{Secrets, webhook_validator};

#[webhook_validator(name = "acme")]
fn acme(_: Secrets) -> u32 {
    0
}

fn main() {}
