//! Genuine and forged requests of the vendors' own making, for schemes that are in code or verify with public keys.

use std::io::Write as _;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::Value;

use crate::catalogue;
use crate::scheme::{BindOptions, Request, Stage, Verified};
use crate::{Delivery, Rejection, Secret, SourceName};

/// The vectors of a scheme. They are not part of this repository: `WEBHOOKS_VECTORS` names the file.
pub(in crate::scheme) fn vectors(scheme: &str) -> Vec<Value> {
    let Some(file) = std::env::var_os("WEBHOOKS_VECTORS") else {
        // To the real standard error: what `eprintln` says is not shown of a test that passes.
        let warning =
            format!("*** WEBHOOKS_VECTORS is not set: THE VECTORS OF {scheme} WERE NOT CHECKED ***\n");
        std::io::stderr().write_all(warning.as_bytes()).expect("stderr");
        return Vec::new();
    };
    let text = std::fs::read(file).expect("the file that WEBHOOKS_VECTORS names");
    let all: Vec<Value> = serde_json::from_slice(&text).expect("a list of vectors");
    let these: Vec<_> = all.into_iter().filter(|it| it["scheme"] == scheme).collect();
    assert!(!these.is_empty(), "there are vectors of {scheme}");
    these
}

pub(in crate::scheme) fn text<'v>(vector: &'v Value, key: &str) -> &'v str {
    vector[key].as_str().unwrap_or_default()
}

pub(in crate::scheme) fn headers(vector: &Value) -> HeaderMap {
    let entries = vector["headers"].as_object().into_iter().flatten();
    let header = |(name, value): (&String, &Value)| {
        let name: HeaderName = name.parse().expect("a header's name");
        (name, HeaderValue::from_str(value.as_str().unwrap_or_default()).expect("a header's value"))
    };
    entries.map(header).collect()
}

fn path_and_query(vector: &Value) -> String {
    let after_scheme = text(vector, "url").split_once("://").map_or("", |(_, rest)| rest);
    after_scheme.find('/').map_or("/", |at| &after_scheme[at..]).to_owned()
}

fn received_at(vector: &Value) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(vector["now_unix"].as_u64().unwrap_or(1_700_000_000))
}

fn verify(provider: &str, variant: Option<&str>, vector: &Value) -> Result<Verified, Rejection> {
    let provider = catalogue::provider(provider).expect("a provider");
    let provider = variant.map_or(Some(provider.clone()), |it| provider.with_variant(it)).expect("a variant");
    let options = BindOptions { public_url: Some("https://example.com".to_owned()), tolerance: None };
    let verifier = provider.bind(&[Secret::new(text(vector, "secret"))], &options);
    let verifier = verifier.unwrap_or_else(|problems| panic!("{problems:?}"));
    let method: Method = text(vector, "method").parse().expect("a method");
    verifier.verify_request(&Request {
        method: &method,
        path_and_query: &path_and_query(vector),
        headers: &headers(vector),
        body: &STANDARD.decode(text(vector, "body_base64")).expect("base64"),
        received_at: received_at(vector),
    })
}

fn check(scheme: &str, provider: &str, variant: Option<&str>) {
    for vector in vectors(scheme) {
        let verified = verify(provider, variant, &vector);
        assert_eq!(
            Value::Bool(verified.is_ok()),
            vector["valid"],
            "{scheme}: {} {verified:?}",
            vector["note"]
        );
    }
}

#[test]
fn coded_schemes() {
    check("adyen-payment", "adyen", None);
    check("braintree", "braintree", None);
    check("contentful", "contentful", None);
}

#[cfg(feature = "ed25519")]
#[test]
fn standard_webhooks_with_a_public_key() {
    check("standard-webhooks-v1a", "standard-webhooks", Some("ed25519"));
}

#[cfg(feature = "p256")]
#[test]
fn sendgrid() {
    check("sendgrid", "sendgrid", None);
}

#[cfg(feature = "rsa")]
#[test]
fn wise() {
    check("wise", "wise", None);
}

#[test]
fn braintree_challenges() {
    let provider = catalogue::provider("braintree").expect("a provider");
    for vector in vectors("braintree-challenge") {
        let handshake = provider.handshake(&[Secret::new(text(&vector, "secret"))], None);
        let delivery = Delivery::new(SourceName::new("braintree").expect("a name"), "")
            .with_method(Method::GET)
            .with_uri(path_and_query(&vector).parse().expect("a path and query"));
        let reply = handshake.answer(&delivery, Stage::BeforeVerification).expect("a challenge");
        let expected = vector["valid"].as_bool().unwrap_or_default();
        assert_eq!(reply.is_ok(), expected, "{}", vector["note"]);
        if let Ok(reply) = reply {
            assert_eq!(reply.body, vector["headers"]["expect-response"].as_str().expect("a text"));
        }
    }
}
