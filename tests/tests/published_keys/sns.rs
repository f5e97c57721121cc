use std::time::{Duration, Instant, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde_json::{Value, json};
use support::inside::{Inside, Post, reason};
use webhooks::{Builder, Clock, Webhooks};

use crate::vendors::{Fixture, bound, rfc3339, rsa_sha1_signature, rsa_signature, startup_report};

const TOPIC: &str = "arn:aws:sns:us-east-1:42:orders";
const CERTIFICATE_URL: &str =
    "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem";
const SUBSCRIBE_URL: &str = "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:us-east-1:42:orders&Token=2f";

fn sns_source(fixture: &Fixture) -> Builder {
    let builder = Webhooks::builder().key_fetcher(fixture.clone());
    builder.source("aws-sns", |source| source.expect("$.TopicArn", TOPIC))
}

fn sns_fixture() -> Fixture {
    Fixture::new(include_str!("../../keys/sns.pem"))
}

/// A message of this type, truly signed.
fn sns(kind: &str, topic: &str, certificate_url: &str) -> Post {
    sns_at(SystemTime::now(), kind, topic, certificate_url)
}

fn sns_at(at: SystemTime, kind: &str, topic: &str, certificate_url: &str) -> Post {
    let (signed, mut message) = unsigned(at, kind, topic);
    message["Signature"] = STANDARD.encode(rsa_signature(signed.as_bytes())).into();
    message["SignatureVersion"] = "2".into();
    message["SigningCertURL"] = certificate_url.into();
    post(kind, &message)
}

fn post(kind: &str, message: &Value) -> Post {
    Post::to("aws-sns").header("x-amz-sns-message-type", kind).body(message.to_string())
}

/// What is signed, and the message without its signature.
fn unsigned(at: SystemTime, kind: &str, topic: &str) -> (String, Value) {
    let mut message = json!({
        "Message": "hello",
        "MessageId": "m-1",
        "Timestamp": rfc3339(at),
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
    (lines.concat(), message)
}

/// Requests with URLs that could be right.
async fn flood(inside: &Inside, requests: usize) {
    let (_, mut message) = unsigned(SystemTime::now(), "Notification", TOPIC);
    message["Signature"] = STANDARD.encode([0; 256]).into();
    message["SignatureVersion"] = "2".into();
    for number in 0..requests {
        message["SigningCertURL"] = CERTIFICATE_URL.replace("cdef", &number.to_string()).into();
        inside.send(post("Notification", &message)).await;
    }
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
    let again = inside.send(sns("SubscriptionConfirmation", TOPIC, CERTIFICATE_URL)).await;
    assert_eq!(again.status, StatusCode::OK);
    assert_eq!(fixture.asked().len(), 2, "once is enough");
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
    assert!(report.contains("[webhooks.sources.aws-sns.expect] \"$.TopicArn\""), "{report}");
}

/// Anyone can set a header, and every topic's messages have the same type.
#[tokio::test]
async fn sns_expectations_that_prove_nothing() {
    for (place, value) in [("x-amz-sns-topic-arn", TOPIC), ("$.Type", "Notification"), ("$.x", TOPIC)] {
        let builder = Webhooks::builder().key_fetcher(sns_fixture());
        let report = startup_report(builder.source("aws-sns", |it| it.expect(place, value))).await;
        assert!(report.contains("$.TopicArn"), "{place}: {report}");
    }
    let builder = sns_source(&sns_fixture())
        .source("aws-sns", |it| it.expect("$.TopicArn", TOPIC).expect("x-amz-sns-topic-arn", TOPIC));
    let report = startup_report(builder).await;
    assert!(report.contains("x-amz-sns-topic-arn"), "{report}");
}

#[tokio::test]
async fn sns_version_1_is_opted_into() {
    let at = SystemTime::now();
    let (signed, mut message) = unsigned(at, "Notification", TOPIC);
    message["Signature"] = STANDARD.encode(rsa_sha1_signature(signed.as_bytes())).into();
    message["SignatureVersion"] = "1".into();
    message["SigningCertURL"] = CERTIFICATE_URL.into();
    let old = post("Notification", &message);

    let inside = Inside::with(sns_source(&sns_fixture())).await;
    let reply = inside.send(old.clone()).await;
    assert_eq!((reply.status, reason(&reply).as_str()), (StatusCode::UNAUTHORIZED, "signature_mismatch"));
    message["SignatureVersion"] = "2".into();
    let relabelled = inside.send(post("Notification", &message)).await;
    assert_eq!(relabelled.status, StatusCode::UNAUTHORIZED);
    assert!(inside.heard().is_empty());

    let builder = Webhooks::builder().key_fetcher(sns_fixture());
    let builder = builder.source("aws-sns", |it| it.variant("version-1").expect("$.TopicArn", TOPIC));
    let opted_in = Inside::with(builder).await;
    assert_eq!(opted_in.send(old).await.status, StatusCode::OK);
    assert_eq!(opted_in.heard_ids(), ["m-1"]);
}

/// Once a message is forgotten, it must not run again; and its time is signed.
#[tokio::test]
async fn sns_messages_get_old() {
    const HOUR: Duration = Duration::from_secs(3_600);
    let inside = Inside::with(sns_source(&sns_fixture())).await;
    let now = SystemTime::now();
    for (at, code) in [(now - 3 * HOUR, "expired"), (now + HOUR, "from_the_future")] {
        for kind in ["Notification", "SubscriptionConfirmation"] {
            let reply = inside.send(sns_at(at, kind, TOPIC, CERTIFICATE_URL)).await;
            assert_eq!((reply.status, reason(&reply).as_str()), (StatusCode::UNAUTHORIZED, code), "{kind}");
        }
    }
    assert!(inside.heard().is_empty());
    let reply = inside.send(sns_at(now - HOUR, "Notification", TOPIC, CERTIFICATE_URL)).await;
    assert_eq!(reply.status, StatusCode::OK, "it is tried for an hour");

    let strict = Webhooks::builder()
        .key_fetcher(sns_fixture())
        .source("aws-sns", |it| it.expect("$.TopicArn", TOPIC).tolerance(Duration::from_secs(60)));
    let reply =
        Inside::with(strict).await.send(sns_at(now - HOUR, "Notification", TOPIC, CERTIFICATE_URL)).await;
    assert_eq!((reply.status, reason(&reply).as_str()), (StatusCode::UNAUTHORIZED, "expired"));
}

#[tokio::test]
async fn sns_certificates_outlast_a_flood_and_an_outage() {
    let (fixture, clock) = (sns_fixture(), Clock::turnable());
    let inside = Inside::with(sns_source(&fixture).clock(clock.clone())).await;
    let genuine = || sns_at(clock.wall(), "Notification", TOPIC, CERTIFICATE_URL);
    assert_eq!(inside.send(genuine()).await.status, StatusCode::OK);

    fixture.go_down();
    clock.advance(Duration::from_secs(25 * 3_600));
    flood(&inside, 20).await;
    assert_eq!(inside.send(genuine()).await.status, StatusCode::OK, "it is old, and better than none");
    clock.advance(Duration::from_secs(8 * 24 * 3_600));
    assert_eq!(inside.send(genuine()).await.status, StatusCode::SERVICE_UNAVAILABLE, "but not for ever");
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
    let began = Instant::now();
    flood(&inside, 100).await;
    assert!(fixture.asked().len() <= 1 + bound(began), "{:?}", fixture.asked());
    assert_eq!(inside.send(sns("Notification", TOPIC, CERTIFICATE_URL)).await.status, StatusCode::OK);
}
