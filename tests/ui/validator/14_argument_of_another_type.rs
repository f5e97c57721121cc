use webhooks::{NoOpSignatureValidator, webhook_validator};

#[webhook_validator(name = "acme")]
fn acme(_: String) -> NoOpSignatureValidator {
    NoOpSignatureValidator
}

fn main() {}
