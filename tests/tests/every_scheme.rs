//! Every scheme of the catalogue that signs with a shared secret: what an independent signer makes is accepted, and
//! nothing else is. A file added to the catalogue is tested without a word here.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, Uri};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use support::described::{Described, Parts, Signed, schemes};
use support::inside::{Recorder, reason};
use tokio::runtime::Builder;
use webhooks::{Delivery, Settings, SourceName, WebhookProcessor, Webhooks};

const BASE: &str = "https://example.com";
const PATH: &str = "/webhooks/signed";

#[test]
fn what_is_signed_is_accepted_and_nothing_else() {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let schemes = schemes();
    assert!(schemes.len() > 60, "the catalogue was not found: {} schemes", schemes.len());
    for scheme in &schemes {
        let inputs = (
            prop::array::uniform24(any::<u8>()),
            prop::collection::vec(any::<u8>(), 0..200),
            1_000_000_000_u64..4_000_000_000,
            "[A-Za-z0-9_-]{1,40}",
            any::<(usize, u8)>(),
        );
        let mut runner =
            TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
        let outcome = runner.run(&inputs, |(random, body, time, id, flip)| {
            let parts =
                Parts { secret: scheme.secret(&random), time, id, url: format!("{BASE}{PATH}"), body };
            runtime.block_on(check(scheme, &parts, flip))
        });
        outcome.unwrap_or_else(|error| panic!("{}: {error}", scheme.label()));
    }
}

/// The genuine request, and one single change after the other.
async fn check(scheme: &Described, parts: &Parts, flip: (usize, u8)) -> Result<(), TestCaseError> {
    let receiver = receiver(scheme, &parts.secret).await;
    let tag = scheme.tag(parts);
    let genuine = scheme.request(parts, &tag);
    let verdict = send(&receiver, parts.time, PATH, &genuine).await;
    prop_assert_eq!(verdict, None, "the genuine one");

    let mut forged = tag.clone();
    flip_bit(&mut forged, flip);
    let forged = scheme.request(parts, &forged);
    prop_assert!(send(&receiver, parts.time, PATH, &forged).await.is_some(), "another signature");

    let (headers, mut body) = genuine.clone();
    if scheme.signs("body") {
        if body.is_empty() {
            body.push(flip.1)
        } else {
            flip_bit(&mut body, flip)
        }
        let verdict = send(&receiver, parts.time, PATH, &(headers.clone(), body.clone())).await;
        prop_assert!(verdict.is_some(), "another body");
        let longer = (headers, [genuine.1.as_slice(), b"\0"].concat());
        prop_assert!(send(&receiver, parts.time, PATH, &longer).await.is_some(), "a longer body");
    }
    if scheme.signs("timestamp") {
        let later = scheme.request(&Parts { time: parts.time + 1, ..parts.clone() }, &tag);
        prop_assert!(send(&receiver, parts.time, PATH, &later).await.is_some(), "another time");
    }
    if scheme.signs("id") {
        let other = scheme.request(&Parts { id: format!("{}0", parts.id), ..parts.clone() }, &tag);
        prop_assert!(send(&receiver, parts.time, PATH, &other).await.is_some(), "another id");
    }
    if scheme.signs("url") {
        let elsewhere = format!("{PATH}?a=1");
        prop_assert!(send(&receiver, parts.time, &elsewhere, &genuine).await.is_some(), "another URL");
    }
    let mut other: Vec<u8> = parts.secret.bytes().collect();
    let (at, _) = flip;
    let at = other.len() - 1 - at % 16;
    // Stays within the alphabets of all forms.
    other[at] = if other[at] == b'a' { b'b' } else { b'a' };
    let stranger = self::receiver(scheme, &String::from_utf8_lossy(&other)).await;
    prop_assert!(send(&stranger, parts.time, PATH, &genuine).await.is_some(), "another secret");
    Ok(())
}

async fn receiver(scheme: &Described, secret: &str) -> WebhookProcessor {
    let variant = scheme.variant.as_ref().map_or(String::new(), |it| format!("variant = \"{it}\"\n"));
    let settings = format!(
        "http.public_url = \"{BASE}\"\n[sources.signed]\nprovider = \"{}\"\n{variant}secret = \"{secret}\"\n",
        scheme.provider
    );
    let settings: Settings = settings.parse().expect("TOML");
    let built = Webhooks::builder().settings(settings).listener(Recorder::new("*")).build().await;
    built.unwrap_or_else(|error| panic!("{}: {error}", scheme.label())).handle().processor().clone()
}

/// Why it was not believed. What follows verification is not looked at: random bodies are hardly ever events.
async fn send(receiver: &WebhookProcessor, time: u64, target: &str, signed: &Signed) -> Option<String> {
    let (headers, body) = signed;
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| {
            let name: HeaderName = name.parse().expect("a header's name");
            (name, value.parse().expect("a header's value"))
        })
        .collect();
    let delivery = Delivery::new(SourceName::new("signed").expect("a legal name"), body.clone())
        .with_uri(target.parse::<Uri>().expect("a path"))
        .with_headers(headers)
        .with_received_at(SystemTime::UNIX_EPOCH + Duration::from_secs(time));
    let reply = receiver.process(delivery).await;
    if reply.status.is_success() {
        return None;
    }
    let reason = reason(&reply);
    let understood = ["signature_", "timestamp_", "header_", "expired", "from_the_future"];
    understood.iter().any(|it| reason.starts_with(it)).then_some(reason)
}

fn flip_bit(bytes: &mut [u8], (at, bit): (usize, u8)) {
    let at = at % bytes.len();
    bytes[at] ^= 1 << (bit % 8);
}
