use webhooks::{NoOpSignatureValidator, Secrets, webhook_validator};

#[webhook_validator(name = "Acme Inc.")]
fn acme(_: Secrets) -> NoOpSignatureValidator {
    NoOpSignatureValidator
}

fn main() {}
