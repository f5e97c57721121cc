use webhooks::{NoOpSignatureValidator, Secrets, webhook_validator};

#[webhook_validator]
fn acmeV2(_: Secrets) -> NoOpSignatureValidator {
    NoOpSignatureValidator
}

fn main() {}
