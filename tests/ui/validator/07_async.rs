use webhooks::{NoOpSignatureValidator, Secrets, webhook_validator};

#[webhook_validator(name = "acme")]
async fn acme(_: Secrets) -> NoOpSignatureValidator {
    NoOpSignatureValidator
}

fn main() {}
