//! The requests: one for each provider, a kibibyte each, signed by hand.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// A signed request.
#[derive(serde::Serialize)]
pub(crate) struct Request {
    pub(crate) provider: &'static str,
    pub(crate) secret: String,
    pub(crate) body: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    /// The value of the header that holds the signature.
    pub(crate) signature: String,
}

impl Request {
    /// An event that the rivals' types can hold, as complete as Stripe's own.
    pub(crate) fn stripe(id: u32) -> Self {
        let now = now();
        let account = format!(
            r#"{{"id":"ba_1","object":"bank_account","country":"us","currency":"usd","last4":"6789","status":"verified","metadata":{{"padding":"{}"}}}}"#,
            "x".repeat(640)
        );
        let body = format!(
            r#"{{"id":"evt_{id}","object":"event","api_version":"2026-01-28","created":{now},"livemode":false,"pending_webhooks":1,"request":null,"type":"account.external_account.created","data":{{"object":{account}}}}}"#
        );
        let secret = "whsec_benchmark".to_owned();
        let signature =
            format!("t={now},v1={}", hex::encode(tag(secret.as_bytes(), &format!("{now}.{body}"))));
        let headers = vec![("stripe-signature", signature.clone())];
        Self { provider: "stripe", secret, body, headers, signature }
    }

    pub(crate) fn github(id: u32) -> Self {
        let (secret, body) = ("github secret".to_owned(), plain_body(id));
        let signature = format!("sha256={}", hex::encode(tag(secret.as_bytes(), &body)));
        let headers = vec![
            ("x-hub-signature-256", signature.clone()),
            ("x-github-delivery", format!("delivery-{id}")),
            ("x-github-event", "push".to_owned()),
        ];
        Self { provider: "github", secret, body, headers, signature }
    }

    pub(crate) fn standard_webhooks(id: u32) -> Self {
        let (key, body, now) = ([7; 32], plain_body(id), now());
        let signature = format!("v1,{}", STANDARD.encode(tag(&key, &format!("msg_{id}.{now}.{body}"))));
        let headers = vec![
            ("webhook-id", format!("msg_{id}")),
            ("webhook-timestamp", now.to_string()),
            ("webhook-signature", signature.clone()),
        ];
        let secret = format!("whsec_{}", STANDARD.encode(key));
        Self { provider: "standard-webhooks", secret, body, headers, signature }
    }
}

/// How a provider's request of a number is made.
pub(crate) type Make = fn(u32) -> Request;

fn plain_body(id: u32) -> String {
    format!(r#"{{"id":{id},"type":"payment","country":"us","padding":"{}"}}"#, "x".repeat(970))
}

fn tag(key: &[u8], content: &str) -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| unreachable!("any key will do"));
    mac.chain_update(content).finalize().into_bytes().to_vec()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs())
}
