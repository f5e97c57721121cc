//! Messages that AWS and PayPal truly sent, with the certificates of that time.

use std::io;
use std::sync::Mutex;
use std::time::SystemTime;

use bytes::Bytes;
use futures_util::FutureExt as _;
use tokio::sync::Notify;

use super::*;
use crate::scheme::coded::tests::{headers, text, vectors};
use crate::{Delivery, Rejection, SourceName, Verified};

/// Serves one certificate at every URL, and remembers the URLs.
#[derive(Default)]
struct Fixture {
    certificate: String,
    asked: Arc<Mutex<Vec<String>>>,
    answered: Arc<Notify>,
}

impl KeyFetcher for Fixture {
    async fn fetch(&self, url: &str) -> io::Result<Bytes> {
        self.asked.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(url.to_owned());
        tokio::task::yield_now().await;
        self.answered.notify_one();
        match self.certificate.as_str() {
            "" => Err(io::Error::other("nothing is here")),
            certificate => Ok(Bytes::copy_from_slice(certificate.as_bytes())),
        }
    }
}

fn validator(
    scheme: Fetched,
    secrets: &[Secret],
    certificate: &str,
) -> (Arc<dyn DynSignatureValidator>, Arc<Mutex<Vec<String>>>) {
    let fixture = Fixture { certificate: certificate.to_owned(), ..Fixture::default() };
    let asked = Arc::clone(&fixture.asked);
    (bound(scheme, secrets, fixture), asked)
}

fn bound(scheme: Fetched, secrets: &[Secret], fixture: Fixture) -> Arc<dyn DynSignatureValidator> {
    let options = FetchedOptions {
        secrets,
        expected: &Expectations::default(),
        tolerance: None,
        clock: Clock::default(),
        fetcher: Arc::new(fixture),
    };
    scheme.bind(options).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// As it is received at the vector's time; a message of SNS within its own minute, whatever its collector's clock said.
fn delivery(vector: &serde_json::Value) -> Delivery {
    use base64::Engine as _;

    let body = base64::engine::general_purpose::STANDARD.decode(text(vector, "body_base64")).expect("base64");
    let message: Option<serde_json::Value> = serde_json::from_slice(&body).ok();
    let sent = message.as_ref().and_then(|it| it["Timestamp"].as_str()).and_then(|text| {
        let minutes = text.get(14..16)?.parse::<u64>().ok()?;
        // 6 March 2026, 19 or 20 o'clock.
        Some(1_772_823_600 + if text.contains("T20") { 3_600 } else { 0 } + minutes * 60)
    });
    let now = sent.or(vector["now_unix"].as_u64()).expect("a time");
    Delivery::new(SourceName::new("x").expect("a name"), body)
        .with_headers(headers(vector))
        .with_received_at(SystemTime::UNIX_EPOCH + Duration::from_secs(now))
}

async fn check(scheme: Fetched, vector: &serde_json::Value) {
    let (secret, certificate) = match text(vector, "secret").split_once('\n') {
        Some((id, certificate)) if scheme.needs_secret() => (Some(Secret::new(id)), certificate),
        _ => (None, text(vector, "secret")),
    };
    let secrets: Vec<_> = secret.into_iter().collect();
    let (validator, _) = validator(scheme, &secrets, certificate);
    let verified = validator.validate_boxed(&delivery(vector)).await;
    let valid = vector["valid"].as_bool().unwrap_or_default();
    assert_eq!(verified.is_ok(), valid, "{} {verified:?}", vector["note"]);
}

#[tokio::test]
async fn messages_of_sns() {
    for vector in vectors("aws-sns") {
        check(Fetched::SnsVersion1, &vector).await;
    }
}

#[tokio::test]
async fn transmissions_of_paypal() {
    for vector in vectors("paypal") {
        check(Fetched::PayPal, &vector).await;
    }
}

fn message(url: &str) -> Delivery {
    let body = format!(
        r#"{{"Type":"Notification","MessageId":"m","TopicArn":"t","Message":"x","Timestamp":"2026-03-06T19:55:38.903Z",
            "SignatureVersion":"2","Signature":"AAAA","SigningCertURL":"{url}"}}"#
    );
    Delivery::new(SourceName::new("sns").expect("a name"), body)
}

fn url(number: usize) -> String {
    format!("https://sns.us-east-1.amazonaws.com/SimpleNotificationService-{number}.pem")
}

#[tokio::test]
async fn a_flood_of_urls_is_not_passed_on() {
    let (validator, asked) = validator(Fetched::Sns, &[], "");
    for number in 0..100 {
        let refused = validator.validate_boxed(&message(&url(number))).await;
        assert_eq!(refused, Err(Rejection::KeysUnavailable));
    }
    assert_eq!(asked.lock().map(|it| it.len()).ok(), Some(8));
}

#[tokio::test]
async fn many_ask_and_one_fetches() {
    let (validator, asked) = validator(Fetched::Sns, &[], "");
    let message = message(&url(1));
    let refused = futures_util::future::join_all((0..50).map(|_| validator.validate_boxed(&message))).await;
    assert!(refused.iter().all(|it: &Result<Verified, _>| *it == Err(Rejection::KeysUnavailable)));
    assert_eq!(asked.lock().map(|it| it.len()).ok(), Some(1));
}

#[tokio::test]
async fn a_fetch_goes_on_when_the_delivery_that_began_it_is_given_up() {
    let fixture = Fixture::default();
    let answered = Arc::clone(&fixture.answered);
    let validator = bound(Fetched::Sns, &[], fixture);
    let given_up = validator.validate_boxed(&message(&url(1))).now_or_never();
    assert!(given_up.is_none());
    let answered = tokio::time::timeout(Duration::from_secs(30), answered.notified()).await;
    assert!(answered.is_ok(), "the vendor's answer was heard");
}
