//! Providers whose schemes are in code, and public keys where secrets belong.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::StatusCode;
use serde_json::{Value, json};
use sha2::Sha256;
use support::inside::{Inside, Post, Recorder};
use webhooks::{Builder, Webhooks};

fn hmac_sha256(key: &[u8], content: &[u8]) -> Vec<u8> {
    let mac: Hmac<Sha256> = Hmac::new_from_slice(key).expect("any length");
    mac.chain_update(content).finalize().into_bytes().to_vec()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

async fn startup_report(builder: Builder) -> String {
    let built = builder.listener(Recorder::new("*")).build().await;
    built.expect_err("it starts").to_string()
}

// ---- Adyen -------------------------------------------------------------------------------------

const ADYEN_KEY: &str = "44782def547aaa06c910c43932b1eb0c71fc68d9d0c057550c48ec2acf6ba056";

fn adyen_item(reference: &str, key: &str) -> Value {
    let content = format!("{reference}::merchant:order:1000:EUR:AUTHORISATION:true");
    let signature = hmac_sha256(&hex::decode(key).expect("hexadecimal digits"), content.as_bytes());
    json!({"NotificationRequestItem": {
        "additionalData": {"hmacSignature": STANDARD.encode(signature)},
        "pspReference": reference,
        "merchantAccountCode": "merchant",
        "merchantReference": "order",
        "amount": {"value": 1000, "currency": "EUR"},
        "eventCode": "AUTHORISATION",
        "success": "true",
    }})
}

fn adyen(items: &[Value]) -> Post {
    Post::to("adyen").body(json!({"live": "false", "notificationItems": items}).to_string())
}

#[tokio::test]
async fn adyen_second_item_unsigned() {
    let inside = Inside::with(Webhooks::builder().source("adyen", |source| source.secret(ADYEN_KEY))).await;
    let other_key = ADYEN_KEY.replace('4', "5");

    let refused = inside.send(adyen(&[adyen_item("a", ADYEN_KEY), adyen_item("b", &other_key)])).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert_eq!(inside.heard().len(), 0);

    let accepted = inside.send(adyen(&[adyen_item("a", ADYEN_KEY), adyen_item("b", ADYEN_KEY)])).await;
    assert_eq!(accepted.status, StatusCode::OK);
    let mut ids = inside.heard_ids();
    ids.sort();
    assert_eq!(ids, ["a+AUTHORISATION", "b+AUTHORISATION"]);
}

// ---- Public keys -------------------------------------------------------------------------------

const PUBLIC_KEYS: [&str; 3] = [
    "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=",
    "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=",
    include_str!("../keys/public.pem"),
];

#[tokio::test]
async fn public_key_as_hmac() {
    for key in PUBLIC_KEYS {
        for provider in ["standard-webhooks", "github", "hmac", "twilio", "contentful"] {
            let builder = Webhooks::builder().public_url("https://example.com");
            let report = startup_report(builder.source(provider, |source| source.secret(key))).await;
            assert!(report.contains("public key"), "{provider}: {report}");
        }
    }

    // What a public key signs as if it were a shared one is nothing to a source that verifies with it.
    let key = PUBLIC_KEYS[0];
    let builder =
        Webhooks::builder().source("standard-webhooks", |source| source.variant("ed25519").secret(key));
    let inside = Inside::with(builder).await;
    let (time, body) = (now(), r#"{"type":"x","data":{}}"#);
    let bytes = STANDARD.decode(key.trim_start_matches("whpk_")).expect("base64");
    let mac = STANDARD.encode(hmac_sha256(&bytes, format!("m.{time}.{body}").as_bytes()));
    for label in ["v1", "v1a"] {
        let post = Post::to("standard-webhooks")
            .header("webhook-id", "m")
            .header("webhook-timestamp", time.to_string())
            .header("webhook-signature", format!("{label},{mac}"))
            .body(body);
        assert_eq!(inside.send(post).await.status, StatusCode::UNAUTHORIZED, "{label}");
    }
}
