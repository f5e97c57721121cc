use webhooks::{NoOpSignatureValidator, Secrets, webhook_validator};

#[webhook_validator(nmae = "acme")]
fn acme(_: Secrets) -> NoOpSignatureValidator {
    NoOpSignatureValidator
}

fn main() {}
