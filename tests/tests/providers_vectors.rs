//! Signatures that others made: the providers' documentation, their own libraries and their tests.
//!
//! `WEBHOOKS_VECTORS` names the file. Each vector says whether it verifies; the clock stands at its time.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use serde::Deserialize;
use support::inside::Recorder;
use webhooks::{Builder, Delivery, Settings, SourceBuilder, SourceName, Webhooks};

#[derive(Debug, Deserialize)]
struct Vector {
    provider: String,
    scheme: String,
    source: String,
    secret: Secrets,
    method: String,
    url: String,
    headers: BTreeMap<String, String>,
    body_base64: String,
    now_unix: Option<u64>,
    valid: bool,
    note: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Secrets {
    One(String),
    Several(Vec<String>),
}

impl Vector {
    /// Whether the library verifies it. What it refuses to start with, it does not verify.
    async fn verifies(&self, builder: Builder) -> bool {
        let Ok(webhooks) = builder.listener(Recorder::new("*")).build().await else { return false };
        let handle = webhooks.handle();
        handle.processor().process(self.delivery()).await;
        let (_, report) = handle.processor().report().remove(0);
        report.last_verified.is_some()
    }

    fn delivery(&self) -> Delivery {
        let body = BASE64.decode(&self.body_base64).expect("base64");
        let header = |(name, value): (&String, &String)| {
            (name.parse::<HeaderName>().expect("a name"), HeaderValue::from_str(value).expect("a value"))
        };
        let headers: HeaderMap = self.headers.iter().map(header).collect();
        let (_, path_and_query) = self.split_url();
        let now = self.now_unix.map_or_else(SystemTime::now, |now| UNIX_EPOCH + Duration::from_secs(now));
        Delivery::new(SourceName::new("source").expect("a name"), body)
            .with_method(self.method.parse::<Method>().expect("a method"))
            .with_uri(path_and_query.parse::<Uri>().expect("a path and query"))
            .with_headers(headers)
            .with_received_at(now)
    }

    /// What is configured as `public_url`, and what the request has.
    fn split_url(&self) -> (Option<&str>, &str) {
        let Some(authority) = self.url.find("://").map(|at| at + 3) else { return (None, "/") };
        let path = self.url[authority..].find('/').map_or(self.url.len(), |at| authority + at);
        (Some(&self.url[..path]), &self.url[path..])
    }

    fn with_secrets(&self, source: SourceBuilder) -> SourceBuilder {
        match self.secret.clone() {
            Secrets::One(secret) => source.secret(secret),
            Secrets::Several(secrets) => source.secrets(secrets),
        }
    }

    /// The scheme as one of the catalogue's providers, or in the language for a user's own.
    fn builder(&self) -> Option<Builder> {
        let (provider, variant) = match self.scheme.as_str() {
            "stripe" => ("stripe", None),
            "github-sha256" => ("github", None),
            "github-sha1" => ("github", Some("sha1")),
            "standard-webhooks" => ("standard-webhooks", None),
            "standard-webhooks-v1a" => ("standard-webhooks", Some("ed25519")),
            "slack" => ("slack", None),
            "shopify" => ("shopify", None),
            "twilio-form" | "twilio-body" => ("twilio", None),
            own => return Some(own_scheme(own)?.source("source", |source| self.with_secrets(source))),
        };
        Some(Webhooks::builder().source("source", |source| {
            let source = self.with_secrets(source.provider(provider));
            let source = variant.map_or(source.clone(), |variant| source.variant(variant));
            self.split_url().0.map_or(source.clone(), |url| source.public_url(url))
        }))
    }
}

/// What no provider of the catalogue is, written as users write it.
fn own_scheme(name: &str) -> Option<Builder> {
    let signature = match name {
        "generic-sha512-hex" => r#"header = "X-Convoy-Signature", algorithm = "hmac-sha512""#,
        "generic-sha512-base64" => {
            r#"header = "X-Convoy-Signature", algorithm = "hmac-sha512", encoding = "base64""#
        }
        "hub-sha512" => r#"header = "X-Hub-Signature", algorithm = "hmac-sha512", prefix = "sha512=""#,
        "hub-sha256" => r#"header = "X-Hub-Signature", algorithm = "hmac-sha256", prefix = "sha256=""#,
        "generic-list-sha1" => {
            r#"header = "X-Hub-Signature", algorithm = "hmac-sha1", format = "pairs", key = "sha1""#
        }
        "generic-list-sha256" => {
            r#"header = "X-Hub-Signature", algorithm = "hmac-sha256", format = "pairs", key = "sha256""#
        }
        _ => return None,
    };
    let settings = format!(
        "[sources.source.scheme]\nsignature = {{ {signature} }}\n\
         identity = {{ no_id = true, type_constant = \"event\" }}"
    );
    Some(Webhooks::builder().settings(settings.parse::<Settings>().expect("TOML")))
}

/// Where this library is stricter than the vendor's: a timestamp too far ahead is refused too.
fn is_stricter_here(vector: &Vector) -> bool {
    vector.scheme == "stripe" && vector.note.starts_with("derived: far future timestamp is accepted")
}

const PROVIDERS: [&str; 7] =
    ["stripe", "github", "standard-webhooks", "slack", "shopify", "generic", "twilio"];

#[tokio::test]
async fn vectors_verify_as_stated() {
    let Some(file) = std::env::var_os("WEBHOOKS_VECTORS") else {
        // Past the capture of a passing test's output: nobody shall take this for a check.
        let warning = b"\n*** WEBHOOKS_VECTORS is not set: NO VECTOR OF OTHERS WAS CHECKED ***\n\n";
        std::io::stderr().write_all(warning).expect("stderr");
        return;
    };
    let text = std::fs::read_to_string(&file).expect("the file that WEBHOOKS_VECTORS names");
    let vectors: Vec<Vector> = serde_json::from_str(&text).expect("vectors");
    let mut checked = BTreeMap::<&str, (usize, usize)>::new();
    let mut wrong = Vec::new();
    for vector in vectors.iter().filter(|it| PROVIDERS.contains(&it.provider.as_str())) {
        let builder = vector.builder().unwrap_or_else(|| panic!("no scheme is known for {vector:?}"));
        let (good, bad) = checked.entry(&vector.provider).or_default();
        *(if vector.valid { good } else { bad }) += 1;
        let expected = vector.valid && !is_stricter_here(vector);
        if vector.verifies(builder).await != expected {
            wrong
                .push(format!("{}: {} ({}) should be {expected}", vector.scheme, vector.note, vector.source));
        }
    }
    assert!(wrong.is_empty(), "{} vectors:\n{}", wrong.len(), wrong.join("\n"));
    for provider in PROVIDERS {
        let (good, bad) = checked.get(provider).copied().unwrap_or_default();
        assert!(good > 0 && bad > 0, "{provider}: only {good} good and {bad} bad vectors were checked");
    }
}
