use webhooks::{NoOpSignatureValidator, Secrets, webhook_validator};

#[webhook_validator(name = "")]
fn acme(_: Secrets) -> NoOpSignatureValidator {
    NoOpSignatureValidator
}

fn main() {}
