use webhooks::webhook_validator;

#[webhook_validator(name = "Acme", secret = "x")]
async fn acme<T>(_: &T) {}

fn main() {}
