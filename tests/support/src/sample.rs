//! One genuine request of each provider, and the secrets they are signed with.

use webhooks::{Builder, Webhooks};

use crate::inside::Post;
use crate::sign;

/// What providers that sign the URL were given.
pub const PUBLIC_URL: &str = "https://example.com";

/// All of the samples' providers.
pub const PROVIDERS: [&str; 8] =
    ["stripe", "github", "standard-webhooks", "slack", "shopify", "gitlab", "hmac", "twilio"];

/// The secret of a provider's sample.
pub fn secret(provider: &str) -> &'static str {
    match provider {
        "stripe" => "whsec_test_stripe",
        "github" => "It's a Secret to Everybody",
        "standard-webhooks" => "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "slack" => "8f742231b10e8888abcd99yyyzzz85a5",
        "shopify" => "hush",
        "gitlab" => "whsec_FdJ1QPBJYsOBqvYdKTH6Sw1MBZrLW0aB",
        "hmac" => "topsecret",
        "twilio" => "twilio_auth_token_test",
        other => panic!("there is no sample of {other}"),
    }
}

/// A builder with these providers as sources of their own names.
pub fn sources(providers: &[&str]) -> Builder {
    let builder = Webhooks::builder().public_url(PUBLIC_URL);
    providers.iter().fold(builder, |builder, name| builder.source(name, |source| source.secret(secret(name))))
}

/// A genuine request of the provider, for an event of this id.
pub fn of(provider: &str, id: &str) -> Post {
    match provider {
        "stripe" => stripe(&stripe_body(id)),
        "github" => github(id, "push", GITHUB_BODY),
        "standard-webhooks" => standard_webhooks(id, r#"{"type":"user.created","data":{"id":42}}"#),
        "slack" => slack(&slack_body(id)),
        "shopify" => shopify(id, "orders/create", r#"{"id":42}"#),
        "gitlab" => gitlab(id, "Push Hook", r#"{"object_kind":"push"}"#),
        "hmac" => hmac(id, r#"{"type": "payment.succeeded"}"#),
        "twilio" => twilio(id, &[("Body", "Hello"), ("From", "+15551234567"), ("SmsStatus", "received")]),
        other => panic!("there is no sample of {other}"),
    }
}

/// A body of GitHub's.
pub const GITHUB_BODY: &str = r#"{"ref":"refs/heads/main"}"#;

/// Stripe's envelope around a payment.
pub fn stripe_body(id: &str) -> String {
    format!(
        r#"{{"id":"{id}","type":"payment_intent.succeeded","data":{{"object":{{"id":"pi_1","amount":4200}}}}}}"#
    )
}

/// Slack's envelope around a mention.
pub fn slack_body(id: &str) -> String {
    format!(r#"{{"type":"event_callback","event_id":"{id}","event":{{"type":"app_mention"}}}}"#)
}

/// This body, truly signed, as the others below.
pub fn stripe(body: &str) -> Post {
    let body = body.as_bytes();
    Post::to("stripe").headers(sign::stripe(secret("stripe"), sign::now_unix(), body)).body(body)
}

/// `event` is the header's.
pub fn github(id: &str, event: &str, body: &str) -> Post {
    let body = body.as_bytes();
    Post::to("github").headers(sign::github(secret("github"), id, event, body)).body(body)
}

/// With `v1`.
pub fn standard_webhooks(id: &str, body: &str) -> Post {
    let (secret, body) = (secret("standard-webhooks"), body.as_bytes());
    Post::to("standard-webhooks")
        .headers(sign::standard_webhooks(secret, id, sign::now_unix(), body))
        .body(body)
}

/// JSON, unless [`Post::form`] says otherwise.
pub fn slack(body: &str) -> Post {
    let body = body.as_bytes();
    Post::to("slack").headers(sign::slack(secret("slack"), sign::now_unix(), body)).body(body)
}

/// `topic` is the header's.
pub fn shopify(id: &str, topic: &str, body: &str) -> Post {
    let body = body.as_bytes();
    Post::to("shopify").headers(sign::shopify(secret("shopify"), id, topic, body)).body(body)
}

/// With a signing token; `event` is the header's.
pub fn gitlab(id: &str, event: &str, body: &str) -> Post {
    let body = body.as_bytes();
    Post::to("gitlab").headers(sign::gitlab(secret("gitlab"), id, event, sign::now_unix(), body)).body(body)
}

/// The generic one.
pub fn hmac(id: &str, body: &str) -> Post {
    let body = body.as_bytes();
    Post::to("hmac").headers(sign::hmac(secret("hmac"), id, body)).body(body)
}

/// A form.
pub fn twilio(id: &str, parameters: &[(&str, &str)]) -> Post {
    let url = format!("{PUBLIC_URL}/webhooks/twilio");
    Post::to("twilio")
        .headers(sign::twilio(secret("twilio"), &url, id, parameters))
        .body(sign::form(parameters))
        .form()
}
