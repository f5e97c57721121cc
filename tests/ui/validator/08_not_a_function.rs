use webhooks::webhook_validator;

#[webhook_validator(name = "acme")]
struct Acme;

fn main() {}
