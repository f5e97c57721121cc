//! Plaid, whose keys are asked for by the ids that its tokens name. The keys here are made for these tests.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::StatusCode;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use support::inside::{Inside, Post, Recorder, reason};
use webhooks::{Builder, Clock, KeyFetcher, Webhooks};

const BODY: &str = r#"{"webhook_type":"TRANSACTIONS","webhook_code":"SYNC_UPDATES_AVAILABLE","item_id":"i","environment":"x"}"#;

/// Plaid's endpoint for keys, as one client sees it.
#[derive(Clone, Default)]
struct Plaid {
    asked: Arc<Mutex<Vec<(String, String)>>>,
}

impl Plaid {
    /// The URLs and the ids of keys that were asked for.
    fn asked(&self) -> Vec<(String, String)> {
        self.asked.lock().expect("no test panics in here").clone()
    }
}

impl KeyFetcher for Plaid {
    async fn fetch(&self, url: &str) -> io::Result<Bytes> {
        Err(io::Error::other(format!("nobody gets {url}")))
    }

    async fn post_json(&self, url: &str, question: Bytes) -> io::Result<Bytes> {
        let question: Value = serde_json::from_slice(&question)?;
        let id = question["key_id"].as_str().expect("an id").to_owned();
        self.asked.lock().expect("no test panics in here").push((url.to_owned(), id.clone()));
        tokio::task::yield_now().await;
        let authentic = question["client_id"] == "client" && question["secret"] == "s:3cret";
        let known = ["key-1", "key-2", "expired", "misnamed"].contains(&id.as_str());
        if !authentic || !known {
            return Err(io::Error::other("the answer's status is 400"));
        }
        let point = key(&id).verifying_key().to_sec1_point(false);
        let coordinate = |bytes: Option<&[u8]>| URL_SAFE_NO_PAD.encode(bytes.expect("32 bytes"));
        let answer = json!({"request_id": "r", "key": {
            "alg": "ES256", "crv": "P-256", "kty": "EC", "use": "sig",
            "kid": if id == "misnamed" { "key-1" } else { &id },
            "x": coordinate(point.x().map(|it| it.as_slice())),
            "y": coordinate(point.y().map(|it| it.as_slice())),
            "created_at": 1_560_466_143,
            "expired_at": (id == "expired").then_some(1_560_466_150),
        }});
        Ok(answer.to_string().into())
    }
}

/// A private key for each id.
fn key(id: &str) -> SigningKey {
    SigningKey::from_slice(&Sha256::digest(id)).expect("a number of the group")
}

fn source(plaid: &Plaid) -> Builder {
    Webhooks::builder().key_fetcher(plaid.clone()).source("plaid", |it| it.secret("client:s:3cret"))
}

fn es256(id: &str) -> Value {
    json!({"alg": "ES256", "kid": id, "typ": "JWT"})
}

fn claims(at: SystemTime) -> Value {
    let seconds = at.duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    json!({"iat": seconds, "request_body_sha256": hex::encode(Sha256::digest(BODY))})
}

fn token(head: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let signed = format!("{}.{}", part(head), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

fn signature(id: &str, content: &[u8]) -> Signature {
    key(id).sign(content)
}

fn signed_by(id: &str, claims: &Value) -> Post {
    post(&token(&es256(id), claims, |content| signature(id, content).to_bytes().to_vec()))
}

fn genuine() -> Post {
    signed_by("key-1", &claims(SystemTime::now()))
}

fn post(token: &str) -> Post {
    Post::to("plaid").header("plaid-verification", token).body(BODY)
}

const PRODUCTION: &str = "https://production.plaid.com/webhook_verification_key/get";

#[tokio::test]
async fn keys_are_asked_for_once() {
    let plaid = Plaid::default();
    let inside = Inside::with(source(&plaid)).await;
    for _ in 0..2 {
        let reply = inside.send(genuine()).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reason(&reply));
    }
    assert_eq!(inside.heard_types(), ["TRANSACTIONS.SYNC_UPDATES_AVAILABLE"; 2], "two equal ones are two");
    assert_eq!(plaid.asked(), [(PRODUCTION.to_owned(), "key-1".to_owned())]);

    let reply = inside.send(signed_by("key-2", &claims(SystemTime::now()))).await;
    assert_eq!(reply.status, StatusCode::OK, "Plaid's keys change");
    assert_eq!(plaid.asked().len(), 2);
}

#[tokio::test]
async fn many_ask_and_one_fetches() {
    let plaid = Plaid::default();
    let inside = Inside::with(source(&plaid)).await;
    let replies = futures_util::future::join_all((0..50).map(|_| inside.send(genuine()))).await;
    assert!(replies.iter().all(|reply| reply.status == StatusCode::OK));
    assert_eq!(plaid.asked().len(), 1);
}

#[tokio::test]
async fn the_sandbox_is_another_world() {
    let plaid = Plaid::default();
    let builder = Webhooks::builder().key_fetcher(plaid.clone());
    let builder = builder.source("plaid", |it| it.variant("sandbox").secret("client:s:3cret"));
    assert_eq!(Inside::with(builder).await.send(genuine()).await.status, StatusCode::OK);
    assert_eq!(plaid.asked()[0].0, "https://sandbox.plaid.com/webhook_verification_key/get");
}

#[tokio::test]
async fn any_of_several_credentials_may_be_known() {
    let plaid = Plaid::default();
    let builder = Webhooks::builder().key_fetcher(plaid.clone());
    let builder = builder.source("plaid", |it| it.secrets(["client:old", "client:s:3cret"]));
    assert_eq!(Inside::with(builder).await.send(genuine()).await.status, StatusCode::OK);
    assert_eq!(plaid.asked().len(), 2);
}

#[tokio::test]
async fn jwt_alg_confusion() {
    let plaid = Plaid::default();
    let inside = Inside::with(source(&plaid)).await;
    assert_eq!(inside.send(genuine()).await.status, StatusCode::OK);

    let claims = claims(SystemTime::now());
    let public = key("key-1").verifying_key().to_sec1_point(false);
    let mac = |content: &[u8]| -> Vec<u8> {
        let mac: Hmac<Sha256> = Hmac::new_from_slice(public.as_bytes()).expect("any length");
        mac.chain_update(content).finalize().into_bytes().to_vec()
    };
    let fixed = |content: &[u8]| signature("key-1", content).to_bytes().to_vec();
    for forged in [
        token(&json!({"alg": "none", "kid": "key-1"}), &claims, |_| Vec::new()),
        token(&json!({"alg": "HS256", "kid": "key-1"}), &claims, mac),
        token(&es256("key-1"), &claims, mac),
        token(&es256("key-1"), &claims, |_| Vec::new()),
        token(&es256("key-1"), &claims, |_| vec![0; 64]),
        // The right numbers in the encoding of other formats.
        token(&es256("key-1"), &claims, |content| signature("key-1", content).to_der().as_bytes().to_vec()),
        token(&es256("key-1"), &claims, |content| signature("key-2", content).to_bytes().to_vec()),
        token(&json!({"alg": "RS256", "kid": "key-1"}), &claims, fixed),
        token(&json!({"alg": "ES256"}), &claims, fixed),
        token(&es256("../key-1"), &claims, fixed),
        // A key that Plaid no longer signs with, and one that was handed out under another name.
        token(&es256("expired"), &claims, |content| signature("expired", content).to_bytes().to_vec()),
        token(&es256("misnamed"), &claims, |content| signature("misnamed", content).to_bytes().to_vec()),
    ] {
        assert_eq!(inside.send(post(&forged)).await.status, StatusCode::UNAUTHORIZED, "{forged}");
    }
    assert_eq!(inside.heard().len(), 1);
}

#[tokio::test]
async fn a_token_is_for_one_body() {
    let inside = Inside::with(source(&Plaid::default())).await;
    let other = genuine().body(BODY.replace("TRANSACTIONS", "TRANSACTIONZ"));
    assert_eq!(inside.send(other).await.status, StatusCode::UNAUTHORIZED);
    let mut without = claims(SystemTime::now());
    without["request_body_sha256"] = Value::Null;
    assert_eq!(inside.send(signed_by("key-1", &without)).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(inside.send(Post::to("plaid").body(BODY)).await.status, StatusCode::UNAUTHORIZED);
    let twice = genuine().header("plaid-verification", "x");
    assert_eq!(inside.send(twice).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(inside.heard().len(), 0);
}

#[tokio::test]
async fn a_token_is_good_for_five_minutes() {
    let inside = Inside::with(source(&Plaid::default())).await;
    let now = SystemTime::now();
    let seconds = Duration::from_secs;
    for (at, expected) in [(now - seconds(310), "expired"), (now + seconds(120), "from_the_future")] {
        let reply = inside.send(signed_by("key-1", &claims(at))).await;
        assert_eq!((reply.status, reason(&reply).as_str()), (StatusCode::UNAUTHORIZED, expected));
    }
    let mut timeless = claims(now);
    timeless["iat"] = Value::Null;
    assert_eq!(inside.send(signed_by("key-1", &timeless)).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(inside.send(signed_by("key-1", &claims(now - seconds(290)))).await.status, StatusCode::OK);
}

#[tokio::test]
async fn unknown_keys_are_no_way_to_pester_plaid() {
    let plaid = Plaid::default();
    let clock = Clock::turnable();
    let inside = Inside::with(source(&plaid).clock(clock.clone())).await;
    assert_eq!(inside.send(genuine()).await.status, StatusCode::OK);

    let unknown = |id: &str| signed_by(id, &claims(clock.wall()));
    for _ in 0..3 {
        let reply = inside.send(unknown("stranger")).await;
        assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "it may be new: Plaid is to send it again");
    }
    assert_eq!(plaid.asked().len(), 2, "the failure is remembered");
    clock.advance(Duration::from_secs(11));
    inside.send(unknown("stranger")).await;
    assert_eq!(plaid.asked().len(), 3, "but not for long");

    let strangers: Vec<_> = (0..100).map(|number| unknown(&format!("stranger-{number}"))).collect();
    let (before, began) = (plaid.asked().len(), Instant::now());
    for stranger in strangers {
        inside.send(stranger).await;
    }
    let asked = plaid.asked().len() - before;
    assert!(u64::try_from(asked).expect("few") <= 9 + began.elapsed().as_secs() / 2, "{asked}");
    let known = signed_by("key-1", &claims(clock.wall()));
    assert_eq!(inside.send(known).await.status, StatusCode::OK, "genuine traffic is not touched");
}

#[tokio::test]
async fn the_secret_is_two_words() {
    for (secret, expected) in [("just-one", "client_id:secret"), ("changeme", "placeholder")] {
        let builder = Webhooks::builder().key_fetcher(Plaid::default());
        let builder = builder.source("plaid", |it| it.secret(secret)).listener(Recorder::new("*"));
        let report = builder.build().await.expect_err("it starts").to_string();
        assert!(report.contains(expected), "{report}");
    }
}
