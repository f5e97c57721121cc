//! Receivers, and what they say.

use std::fmt::Debug;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, Uri};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use support::described::Signed;
use support::inside::{Recorder, reason};
use webhooks::{Delivery, Settings, SourceName, WebhookProcessor, Webhooks};

pub(crate) const BASE: &str = "https://example.com";
pub(crate) const PATH: &str = "/webhooks/signed";

/// Tries a scheme with random inputs.
pub(crate) fn run<S: Strategy>(
    scheme: &str,
    inputs: &S,
    check: impl Fn(S::Value) -> Result<(), TestCaseError>,
) where
    S::Value: Debug,
{
    let mut runner = TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    runner.run(inputs, check).unwrap_or_else(|error| panic!("{scheme}: {error}"));
}

/// A source of this provider, its settings in TOML.
pub(crate) async fn receiver(provider: &str, settings: &str, secret: &str) -> WebhookProcessor {
    let settings = format!(
        "http.public_url = \"{BASE}\"\n[sources.signed]\nprovider = \"{provider}\"\n{settings}secret = \"{secret}\"\n"
    );
    let settings: Settings = settings.parse().expect("TOML");
    let built = Webhooks::builder().settings(settings).listener(Recorder::new("*")).build().await;
    built.unwrap_or_else(|error| panic!("{provider}: {error}")).handle().processor().clone()
}

/// Why it was not believed. What follows verification is not looked at: random bodies are hardly ever events.
pub(crate) async fn send(
    receiver: &WebhookProcessor,
    time: u64,
    target: &str,
    signed: &Signed,
) -> Option<String> {
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

pub(crate) fn flip_bit(bytes: &mut [u8], (at, bit): (usize, u8)) {
    let at = at % bytes.len();
    bytes[at] ^= 1 << (bit % 8);
}
