use webhooks::{NoOpSignatureValidator, Secrets, webhook_validator};

#[webhook_validator(name = "acme")]
fn acme(_: Secrets, _: u32) -> NoOpSignatureValidator {
    NoOpSignatureValidator
}

fn main() {}
