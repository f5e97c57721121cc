use webhooks::{NoOpSignatureValidator, Secrets, webhook_validator};

#[webhook_validator(name = "acme", name = "other")]
fn acme(_: Secrets) -> NoOpSignatureValidator {
    NoOpSignatureValidator
}

fn main() {}
