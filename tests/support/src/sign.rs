//! The providers' signatures, written a second time from their documentation: what the library
//! signs and what it verifies could otherwise agree on the same mistake.
//!
//! Each function returns the headers of one delivery.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;

/// Names and values, as they are sent.
pub type Headers = Vec<(&'static str, String)>;

/// `Stripe-Signature`: hex over `{timestamp}.{body}`; the secret is used whole, prefix included.
pub fn stripe(secret: &str, timestamp: i64, body: &[u8]) -> Headers {
    let mac = hex::encode(sha256(secret.as_bytes(), &[timestamp.to_string().as_bytes(), b".", body]));
    vec![("Stripe-Signature", format!("t={timestamp},v1={mac}"))]
}

/// The value of `Stripe-Signature` for a timestamp that need not be one.
pub fn stripe_text(secret: &str, timestamp: &str, body: &[u8]) -> String {
    let mac = hex::encode(sha256(secret.as_bytes(), &[timestamp.as_bytes(), b".", body]));
    format!("t={timestamp},v1={mac}")
}

/// `X-Hub-Signature-256`: hex over the body; id and event are unsigned headers.
pub fn github(secret: &str, id: &str, event: &str, body: &[u8]) -> Headers {
    vec![
        ("X-GitHub-Delivery", id.into()),
        ("X-GitHub-Event", event.into()),
        ("X-Hub-Signature-256", format!("sha256={}", hex::encode(sha256(secret.as_bytes(), &[body])))),
    ]
}

/// `webhook-signature`: base64 over `{id}.{timestamp}.{body}`, with the base64 behind `whsec_` as
/// the key.
pub fn standard_webhooks(secret: &str, id: &str, timestamp: i64, body: &[u8]) -> Headers {
    let key = BASE64.decode(secret.strip_prefix("whsec_").unwrap_or(secret)).expect("a base64 secret");
    let mac = sha256(&key, &[id.as_bytes(), b".", timestamp.to_string().as_bytes(), b".", body]);
    vec![
        ("webhook-id", id.into()),
        ("webhook-timestamp", timestamp.to_string()),
        ("webhook-signature", format!("v1,{}", BASE64.encode(mac))),
    ]
}

/// `X-Slack-Signature`: hex over `v0:{timestamp}:{body}`.
pub fn slack(secret: &str, timestamp: i64, body: &[u8]) -> Headers {
    let mac = sha256(secret.as_bytes(), &[b"v0:", timestamp.to_string().as_bytes(), b":", body]);
    vec![
        ("X-Slack-Request-Timestamp", timestamp.to_string()),
        ("X-Slack-Signature", format!("v0={}", hex::encode(mac))),
    ]
}

/// [`slack`] with a timestamp that need not be one, nor even text.
pub fn slack_text(secret: &str, timestamp: &[u8], body: &[u8]) -> [(&'static str, Vec<u8>); 2] {
    let mac = sha256(secret.as_bytes(), &[b"v0:", timestamp, b":", body]);
    [
        ("X-Slack-Request-Timestamp", timestamp.to_vec()),
        ("X-Slack-Signature", format!("v0={}", hex::encode(mac)).into_bytes()),
    ]
}

/// `X-Shopify-Hmac-Sha256`: base64 over the body; ids and topic are unsigned headers.
pub fn shopify(secret: &str, id: &str, topic: &str, body: &[u8]) -> Headers {
    vec![
        ("X-Shopify-Event-Id", id.into()),
        ("X-Shopify-Webhook-Id", id.into()),
        ("X-Shopify-Topic", topic.into()),
        ("X-Shopify-Hmac-Sha256", BASE64.encode(sha256(secret.as_bytes(), &[body]))),
    ]
}

/// GitLab's signing token: Standard Webhooks, and the event in `X-Gitlab-Event`
/// (`"Push Hook"`, `"Issue Hook"`).
pub fn gitlab(secret: &str, id: &str, event: &str, timestamp: i64, body: &[u8]) -> Headers {
    let mut headers = standard_webhooks(secret, id, timestamp, body);
    headers.extend([
        ("Idempotency-Key", id.to_owned()),
        ("X-Gitlab-Event", event.to_owned()),
        ("X-Gitlab-Event-UUID", id.to_owned()),
    ]);
    headers
}

/// The generic `X-Signature: sha256=…`: hex over the body.
pub fn hmac(secret: &str, id: &str, body: &[u8]) -> Headers {
    vec![
        ("X-Idempotency-Key", id.into()),
        ("X-Signature", format!("sha256={}", hex::encode(sha256(secret.as_bytes(), &[body])))),
    ]
}

/// `X-Twilio-Signature` of a form: base64 of HMAC-SHA1 over the URL and every decoded name and
/// value, in the order of the names; what a name has several times is sorted and counted once.
pub fn twilio(token: &str, url: &str, id: &str, parameters: &[(&str, &str)]) -> Headers {
    let mut parameters = parameters.to_vec();
    parameters.sort_unstable();
    parameters.dedup();
    let mut mac = Hmac::<Sha1>::new_from_slice(token.as_bytes()).expect("any key length");
    mac.update(url.as_bytes());
    for (name, value) in parameters {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    vec![
        ("I-Twilio-Idempotency-Token", id.into()),
        ("X-Twilio-Signature", BASE64.encode(mac.finalize().into_bytes())),
    ]
}

/// The body that goes with [`twilio`].
pub fn form(parameters: &[(&str, &str)]) -> String {
    let pairs = parameters.iter().map(|(name, value)| format!("{}={}", percent(name), percent(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// The time to sign with.
pub fn now_unix() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.expect("after 1970").as_secs().try_into().expect("before the year 292 billion")
}

/// A secret of the Standard Webhooks kind.
pub fn random_whsec() -> String {
    format!("whsec_{}", BASE64.encode(rand::random::<[u8; 24]>()))
}

fn sha256(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any key length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |encoded, byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            encoded + &char::from(byte).to_string()
        }
        b' ' => encoded + "+",
        _ => encoded + &format!("%{byte:02X}"),
    })
}
