use webhooks::{NoOpSignatureValidator, webhook_validator};

struct Acme;

impl Acme {
    #[webhook_validator(name = "acme")]
    fn validator(self) -> NoOpSignatureValidator {
        NoOpSignatureValidator
    }
}

fn main() {}
