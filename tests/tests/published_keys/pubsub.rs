use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::StatusCode;
use serde_json::{Value, json};
use sha2::Sha256;
use support::inside::{Inside, Post, reason, refusal};
use webhooks::Webhooks;

use crate::vendors::{Fixture, rsa_signature, seconds, startup_report};

const AUDIENCE: &str = "https://example.com/webhooks/google-pubsub";
const ACCOUNT: &str = "pusher@project.iam.gserviceaccount.com";

async fn pubsub() -> Inside {
    let fixture = Fixture::new(json!({"key-1": include_str!("../../keys/google.pem")}).to_string());
    let builder = Webhooks::builder().key_fetcher(fixture).source("google-pubsub", |source| {
        source.expect("claim.aud", AUDIENCE).expect("claim.email", ACCOUNT)
    });
    Inside::with(builder).await
}

fn claims(email: &str) -> Value {
    json!({
        "iss": "https://accounts.google.com", "aud": AUDIENCE, "email": email, "email_verified": true,
        "iat": now(), "exp": now() + 3600,
    })
}

fn token(head: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let signed = format!("{}.{}", part(head), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

fn push(token: &str) -> Post {
    let body = json!({"message": {"messageId": "1", "data": "aGVsbG8="}, "subscription": "s"});
    Post::to("google-pubsub").header("authorization", format!("Bearer {token}")).body(body.to_string())
}

fn rs256() -> Value {
    json!({"alg": "RS256", "kid": "key-1"})
}

#[tokio::test]
async fn pubsub_foreign_account() {
    let inside = pubsub().await;
    let foreign = token(&rs256(), &claims("stranger@other.iam.gserviceaccount.com"), rsa_signature);
    let reply = inside.send(push(&foreign)).await;
    assert_eq!((reply.status, reason(&reply).as_str()), (StatusCode::UNAUTHORIZED, "not_for_us"));
    for (claim, value) in [
        ("aud", json!("https://other.example")),
        ("iss", json!("https://evil.example")),
        ("email_verified", json!(false)),
        ("exp", json!(now() - 3600)),
        ("exp", Value::Null),
    ] {
        let mut claims = claims(ACCOUNT);
        claims[claim] = value;
        let reply = inside.send(push(&token(&rs256(), &claims, rsa_signature))).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{claim}");
    }
    assert_eq!(inside.heard().len(), 0);

    let genuine = token(&rs256(), &claims(ACCOUNT), rsa_signature);
    assert_eq!(inside.send(push(&genuine)).await.status, StatusCode::OK);
    assert_eq!(inside.heard_ids(), ["1"]);
}

#[tokio::test]
async fn jwt_alg_confusion() {
    let inside = pubsub().await;
    let claims = claims(ACCOUNT);
    let hs256 = json!({"alg": "HS256", "kid": "key-1"});
    let none = token(&json!({"alg": "none", "kid": "key-1"}), &claims, |_| Vec::new());
    let unknown_key = token(&json!({"alg": "RS256", "kid": "key-2"}), &claims, rsa_signature);
    let no_signature = none.trim_end_matches('.').to_owned();
    let (malformed, mismatch) = ("401 signature_malformed", "401 signature_mismatch");
    for (forged, why) in [(none, malformed), (unknown_key, mismatch), (no_signature, malformed)] {
        assert_eq!(refusal(&inside.send(push(&forged)).await), why, "{forged}");
    }
    // What anyone can have, in every form of it: the certificate is what was fetched.
    let certificate = include_str!("../../keys/google.pem");
    let public_key = include_str!("../../keys/public.pem");
    for text in [certificate, public_key] {
        for key in [text.as_bytes(), text.trim_end().as_bytes(), &der(text)] {
            let sign = |content: &[u8]| hmac_sha256(key, content);
            let with_public_key = push(&token(&hs256, &claims, sign));
            assert_eq!(refusal(&inside.send(with_public_key).await), malformed);
            let under_another_name = push(&token(&rs256(), &claims, sign));
            assert_eq!(refusal(&inside.send(under_another_name).await), mismatch);
        }
    }
    assert_eq!(inside.heard().len(), 0);
}

#[tokio::test]
async fn pubsub_needs_to_know_whom_to_believe() {
    let builder = Webhooks::builder().key_fetcher(Fixture::new("{}"));
    let report = startup_report(builder.source("google-pubsub", |it| it.expect("claim.aud", AUDIENCE))).await;
    assert!(report.contains("claim.email"), "{report}");
    let builder = Webhooks::builder().key_fetcher(Fixture::new("{}"));
    let report = startup_report(builder.source("aws-sns", |it| it.expect("claim.aud", AUDIENCE))).await;
    assert!(report.contains("names a claim"), "{report}");
}

fn now() -> u64 {
    seconds(SystemTime::now())
}

/// What a PEM file holds.
fn der(pem: &str) -> Vec<u8> {
    let lines: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    STANDARD.decode(lines).expect("base64")
}

fn hmac_sha256(key: &[u8], content: &[u8]) -> Vec<u8> {
    let mac: Hmac<Sha256> = Hmac::new_from_slice(key).expect("any length");
    mac.chain_update(content).finalize().into_bytes().to_vec()
}
