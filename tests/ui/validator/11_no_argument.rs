use webhooks::{NoOpSignatureValidator, webhook_validator};

#[webhook_validator(name = "acme")]
fn acme() -> NoOpSignatureValidator {
    NoOpSignatureValidator
}

fn main() {}
