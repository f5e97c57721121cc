//! Providers whose schemes are in code, some with keys that they publish. The keys here are made for these tests:
//! `keys/rsa.pk8`, and certificates of it that bear the names of the vendors'.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::StatusCode;
use rsa::pkcs8::DecodePrivateKey as _;
use rsa::{Pkcs1v15Sign, PrivateKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use support::inbox::{InboxFolder, settled};
use support::inside::{Inside, Post, Recorder, reason};
use webhooks::{Builder, KeyFetcher, Webhooks};

/// Serves one text at every URL, and remembers the URLs.
#[derive(Clone)]
struct Fixture {
    text: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Fixture {
    fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), asked: Arc::default() }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no test panics in here").clone()
    }
}

impl KeyFetcher for Fixture {
    async fn fetch(&self, url: &str) -> io::Result<Bytes> {
        self.asked.lock().expect("no test panics in here").push(url.to_owned());
        Ok(Bytes::copy_from_slice(self.text.as_bytes()))
    }
}

/// PKCS#1 v1.5 over SHA-256, in base64.
fn rsa_signature(content: &[u8]) -> Vec<u8> {
    let key = PrivateKey::from_pkcs8_der(include_bytes!("../keys/rsa.pk8")).expect("a private key");
    key.sign(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(content)).expect("a signature")
}

fn hmac_sha256(key: &[u8], content: &[u8]) -> Vec<u8> {
    let mac: Hmac<Sha256> = Hmac::new_from_slice(key).expect("any length");
    mac.chain_update(content).finalize().into_bytes().to_vec()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// `2026-01-01T00:00:00Z`
fn rfc3339(seconds: u64) -> String {
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let (mut year, mut days) = (1970, seconds / 86_400);
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let mut month = 0;
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", month + 1, days + 1)
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

// ---- SNS ---------------------------------------------------------------------------------------

const TOPIC: &str = "arn:aws:sns:us-east-1:42:orders";
const CERTIFICATE_URL: &str =
    "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem";
const SUBSCRIBE_URL: &str = "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:us-east-1:42:orders&Token=2f";

fn sns_source(fixture: &Fixture) -> Builder {
    let builder = Webhooks::builder().key_fetcher(fixture.clone());
    builder.source("aws-sns", |source| source.expect("$.TopicArn", TOPIC))
}

fn sns_fixture() -> Fixture {
    Fixture::new(include_str!("../keys/sns.pem"))
}

/// A message of this type, truly signed.
fn sns(kind: &str, topic: &str, certificate_url: &str) -> Post {
    let mut message = json!({
        "Message": "hello",
        "MessageId": "m-1",
        "Timestamp": "2026-01-01T00:00:00.000Z",
        "TopicArn": topic,
        "Type": kind,
    });
    if kind != "Notification" {
        message["SubscribeURL"] = SUBSCRIBE_URL.into();
        message["Token"] = "2f".into();
    }
    // Sorted by name, as the signature wants them.
    let fields = message.as_object().expect("an object");
    let line = |(name, value): (&String, &Value)| format!("{name}\n{}\n", value.as_str().expect("a text"));
    let mut lines: Vec<String> = fields.iter().map(line).collect();
    lines.sort();
    message["Signature"] = STANDARD.encode(rsa_signature(lines.concat().as_bytes())).into();
    message["SignatureVersion"] = "2".into();
    message["SigningCertURL"] = certificate_url.into();
    Post::to("aws-sns").header("x-amz-sns-message-type", kind).body(message.to_string())
}

#[tokio::test]
async fn sns_notifications_are_heard_once() {
    let fixture = sns_fixture();
    let inside = Inside::with(sns_source(&fixture)).await;
    for _ in 0..2 {
        assert_eq!(inside.send(sns("Notification", TOPIC, CERTIFICATE_URL)).await.status, StatusCode::OK);
    }
    assert_eq!(inside.heard_ids(), ["m-1"]);
    assert_eq!(fixture.asked(), [CERTIFICATE_URL], "it is kept");
}

#[tokio::test]
async fn sns_subscriptions_are_confirmed() {
    let fixture = sns_fixture();
    let inside = Inside::with(sns_source(&fixture)).await;
    let reply = inside.send(sns("SubscriptionConfirmation", TOPIC, CERTIFICATE_URL)).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(fixture.asked(), [CERTIFICATE_URL, SUBSCRIBE_URL]);
    assert_eq!(inside.heard().len(), 0);
}

#[tokio::test]
async fn sns_foreign_topic() {
    let fixture = sns_fixture();
    let inside = Inside::with(sns_source(&fixture)).await;
    for kind in ["Notification", "SubscriptionConfirmation"] {
        let reply = inside.send(sns(kind, "arn:aws:sns:us-east-1:666:orders", CERTIFICATE_URL)).await;
        assert_eq!((reply.status, reason(&reply).as_str()), (StatusCode::UNAUTHORIZED, "not_for_us"));
    }
    assert_eq!(fixture.asked().len() + inside.heard().len(), 0);
}

#[tokio::test]
async fn sns_no_expected_topic() {
    let builder = Webhooks::builder().key_fetcher(sns_fixture()).source("aws-sns", |source| source);
    let report = startup_report(builder).await;
    assert!(report.contains("expect"), "{report}");
}

#[tokio::test]
async fn sns_cert_url_tricks() {
    let fixture = sns_fixture();
    let inside = Inside::with(sns_source(&fixture)).await;
    for (from, to) in [
        ("https:", "http:"),
        ("//sns", "//user@sns"),
        (".com/", ".com:443/"),
        (".com/", ".com.evil.com/"),
        (".com/", ".com@evil.com/"),
        ("sns.us-east-1.amazonaws.com", "169.254.169.254"),
        ("sns.us-east-1", "s3.us-east-1"),
        ("/Simple", "/evil/Simple"),
        (".pem", ".pem?x=1"),
        (".pem", ".pem#x"),
        (".pem", ".txt"),
    ] {
        let reply = inside.send(sns("Notification", TOPIC, &CERTIFICATE_URL.replacen(from, to, 1))).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{from} {to}");
    }
    assert_eq!(fixture.asked().len() + inside.heard().len(), 0);

    // Genuine traffic is not touched by a flood of URLs that could be right.
    assert_eq!(inside.send(sns("Notification", TOPIC, CERTIFICATE_URL)).await.status, StatusCode::OK);
    for number in 0..100 {
        inside.send(sns("Notification", TOPIC, &CERTIFICATE_URL.replace("cdef", &number.to_string()))).await;
    }
    assert!(fixture.asked().len() <= 8, "{:?}", fixture.asked());
    assert_eq!(inside.send(sns("Notification", TOPIC, CERTIFICATE_URL)).await.status, StatusCode::OK);
}

// ---- PayPal ------------------------------------------------------------------------------------

const WEBHOOK_ID: &str = "4JH86294D6297924G";
const PAYPAL_URL: &str = "https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-b0d12406";

fn paypal_source(certificate: &str) -> (Fixture, Builder) {
    paypal_source_in(Webhooks::builder(), certificate)
}

fn paypal_source_in(builder: Builder, certificate: &str) -> (Fixture, Builder) {
    let fixture = Fixture::new(certificate);
    let builder = builder.key_fetcher(fixture.clone());
    (fixture, builder.source("paypal", |source| source.secret(WEBHOOK_ID)))
}

fn paypal(body: &[u8], certificate_url: &str) -> Post {
    let time = rfc3339(now());
    let content = format!("t-1|{time}|{WEBHOOK_ID}|{}", crc32fast::hash(body));
    Post::to("paypal")
        .header("paypal-transmission-id", "t-1")
        .header("paypal-transmission-time", time)
        .header("paypal-transmission-sig", STANDARD.encode(rsa_signature(content.as_bytes())))
        .header("paypal-cert-url", certificate_url)
        .header("paypal-auth-algo", "SHA256withRSA")
        .body(body)
}

/// Bytes of the same length as `filler`, in the range of `@` to `O`, with which the text has this checksum.
///
/// A checksum is linear: the bits to flip are the solution of 32 equations in four unknowns a byte.
fn of_checksum(text: &str, filler: &str, checksum: u32) -> Vec<u8> {
    let at = text.find(filler).expect("the filler is there");
    let mut bytes = text.as_bytes().to_vec();
    let base = crc32fast::hash(&bytes);
    let flips: Vec<(usize, u8)> =
        (at..at + filler.len()).flat_map(|at| (0..4).map(move |bit| (at, 1 << bit))).collect();
    // Each row: what a set of flips changes, and which set it is.
    let mut rows: Vec<(u32, u128)> = Vec::new();
    let reduce = |rows: &[(u32, u128)], mut row: (u32, u128)| {
        for known in rows {
            if row.0 & (1 << known.0.ilog2()) != 0 {
                row = (row.0 ^ known.0, row.1 ^ known.1);
            }
        }
        row
    };
    for (index, (at, bit)) in flips.iter().enumerate() {
        let mut flipped = bytes.clone();
        flipped[*at] ^= bit;
        let row = reduce(&rows, (crc32fast::hash(&flipped) ^ base, 1 << index));
        if row.0 != 0 {
            rows.push(row);
            rows.sort_by_key(|row| std::cmp::Reverse(row.0));
        }
    }
    let (rest, set) = reduce(&rows, (base ^ checksum, 0));
    assert_eq!(rest, 0, "the equations can be solved");
    for (index, (at, bit)) in flips.iter().enumerate() {
        bytes[*at] ^= if set >> index & 1 == 1 { *bit } else { 0 };
    }
    bytes
}

#[tokio::test]
async fn paypal_crc_collision() {
    let folder = InboxFolder::new();
    let certificate = include_str!("../keys/paypal.pem");
    for builder in [Webhooks::builder(), folder.sources(&[])] {
        let (_, builder) = paypal_source_in(builder, certificate);
        takes_no_other_body(&Inside::with(builder).await).await;
    }
}

async fn takes_no_other_body(inside: &Inside) {
    let handled = async || {
        if let Some(inbox) = inside.webhooks.inbox() {
            settled(&inbox).await;
        }
    };
    let genuine = br#"{"id":"WH-1","event_type":"PAYMENT.CAPTURE.COMPLETED","resource":{"amount":"1.00"}}"#;
    let filler = "AAAAAAAAAAAAAAAA";
    let forged = format!(
        r#"{{"id":"WH-1","event_type":"PAYMENT.CAPTURE.COMPLETED","resource":{{"amount":"9999.00"}},"x":"{filler}"}}"#
    );
    let forged = of_checksum(&forged, filler, crc32fast::hash(genuine));
    assert_eq!(crc32fast::hash(&forged), crc32fast::hash(genuine));

    let accepted = paypal(genuine, PAYPAL_URL);
    assert_eq!(inside.send(accepted.clone()).await.status, StatusCode::OK);
    let refused = inside.send(accepted.clone().body(&forged)).await;
    assert_eq!((refused.status, reason(&refused).as_str()), (StatusCode::UNAUTHORIZED, "token_reused"));
    handled().await;
    assert_eq!(inside.heard_ids(), ["t-1"]);
    assert_eq!(inside.report("paypal").count("rejected"), 1);
    assert_eq!(inside.send(accepted).await.status, StatusCode::OK, "the genuine one is a duplicate");
    handled().await;
    assert_eq!(inside.heard_ids(), ["t-1"]);
}

#[tokio::test]
async fn paypal_sandbox_cert_on_live() {
    let body = br#"{"id":"WH-1","event_type":"x","resource":{}}"#;
    let (fixture, builder) = paypal_source(include_str!("../keys/paypal-sandbox.pem"));
    let inside = Inside::with(builder).await;
    let sandbox = paypal(body, &PAYPAL_URL.replace("api.", "api.sandbox."));
    assert_eq!(inside.send(sandbox).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(fixture.asked().len(), 0);
    let sandbox_name = paypal(body, PAYPAL_URL);
    assert_eq!(inside.send(sandbox_name).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(inside.heard().len(), 0);
}

// ---- Pub/Sub -----------------------------------------------------------------------------------

const AUDIENCE: &str = "https://example.com/webhooks/google-pubsub";
const ACCOUNT: &str = "pusher@project.iam.gserviceaccount.com";

async fn pubsub() -> Inside {
    let fixture = Fixture::new(json!({"key-1": include_str!("../keys/google.pem")}).to_string());
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
    let none = token(&json!({"alg": "none", "kid": "key-1"}), &claims, |_| Vec::new());
    let public_key = include_bytes!("../keys/public.pem");
    let with_public_key =
        token(&json!({"alg": "HS256", "kid": "key-1"}), &claims, |content| hmac_sha256(public_key, content));
    let under_another_name = token(&rs256(), &claims, |content| hmac_sha256(public_key, content));
    let unknown_key = token(&json!({"alg": "RS256", "kid": "key-2"}), &claims, rsa_signature);
    let no_signature = none.trim_end_matches('.').to_owned();
    for forged in [none, with_public_key, under_another_name, unknown_key, no_signature] {
        let reply = inside.send(push(&forged)).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{forged}");
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
