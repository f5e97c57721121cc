//! Requests that vendors, their SDKs and other libraries made: each is judged as its file says, under the scheme that it
//! names. The files are those of `tests/vectors`, and the one that `WEBHOOKS_VECTORS` names.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderName, HeaderValue, Uri};
use serde::Deserialize;
use support::inside::{Recorder, reason};
use webhooks::{Delivery, Settings, SourceName, Webhooks};

#[derive(Debug, Deserialize)]
struct Vector {
    provider: String,
    scheme: String,
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

/// What a scheme of the file is called here.
enum Known {
    /// A provider of the catalogue, perhaps by one of its variants.
    Provider { name: String, variant: Option<&'static str> },
    /// A scheme that a user would describe.
    Described(&'static str),
    /// Not judged here, and why.
    Unknown(&'static str),
}

fn known(vector: &Vector) -> Known {
    let provider = |name: &str| Known::Provider { name: name.to_owned(), variant: None };
    let variant = |name: &str, variant| Known::Provider { name: name.to_owned(), variant: Some(variant) };
    match vector.scheme.as_str() {
        "github-sha256" => provider("github"),
        "github-sha1" => variant("github", "sha1"),
        "hub-sha256" => provider("bitbucket"),
        "standard-webhooks" => provider(&vector.provider),
        "standard-webhooks-v1a" => variant("standard-webhooks", "ed25519"),
        "twilio-form" | "twilio-body" => provider("twilio"),
        "hubspot-v1" => variant("hubspot", "v1"),
        "hubspot-v2" => variant("hubspot", "v2"),
        "hubspot-v3" => provider("hubspot"),
        "adyen-header" => provider("adyen-platform"),
        "adyen-payment" => provider("adyen"),
        "hub-sha512" => Known::Described(
            "header = \"X-Hub-Signature\"\nprefix = \"sha512=\"\nalgorithm = \"hmac-sha512\"",
        ),
        "generic-sha512-hex" => {
            Known::Described("header = \"X-Convoy-Signature\"\nalgorithm = \"hmac-sha512\"")
        }
        "generic-sha512-base64" => Known::Described(
            "header = \"X-Convoy-Signature\"\nalgorithm = \"hmac-sha512\"\nencoding = \"base64\"",
        ),
        "generic-list-sha1" => Known::Described(
            "header = \"X-Hub-Signature\"\nformat = \"pairs\"\nkey = \"sha1\"\nalgorithm = \"hmac-sha1\"",
        ),
        "generic-list-sha256" => Known::Described(
            "header = \"X-Hub-Signature\"\nformat = \"pairs\"\nkey = \"sha256\"\nalgorithm = \"hmac-sha256\"",
        ),
        "scalr" => Known::Described(
            "header = \"X-Signature\"\nalgorithm = \"hmac-sha1\"\ncontent = \"{body}{timestamp}\"\n\
             timestamp = { header = \"Date\", unit = \"text\" }",
        ),
        "aws-sns" | "paypal" => Known::Unknown("its certificate has to be fetched"),
        "braintree-challenge" => Known::Unknown("it is a challenge and no event"),
        _ => provider(&vector.provider),
    }
}

#[tokio::test]
async fn every_vector_is_judged_as_it_says() {
    let vectors = vectors();
    let mut left_out: BTreeMap<(String, &'static str), usize> = BTreeMap::new();
    let (mut judged, mut wrong) = (0, Vec::new());
    let catalogue: BTreeSet<_> = webhooks::providers().map(|it| it.name().to_owned()).collect();
    for (index, vector) in vectors.iter().enumerate() {
        let scheme = known(vector);
        let reason = match &scheme {
            Known::Unknown(reason) => Some(*reason),
            Known::Provider { name, .. } if !catalogue.contains(name) => Some("no such provider"),
            _ => None,
        };
        if let Some(reason) = reason {
            *left_out.entry((vector.scheme.clone(), reason)).or_default() += 1;
            continue;
        }
        judged += 1;
        let verdict = judge(vector, &scheme).await;
        let right = match stricter(vector) {
            Some(code) => verdict == Err(code.to_owned()),
            None => verdict.is_ok() == vector.valid,
        };
        if !right {
            wrong.push(format!("{index}: {} {}: {verdict:?}", vector.scheme, vector.note));
        }
    }
    say(&format!("{judged} vectors judged"));
    for ((scheme, reason), count) in left_out {
        say(&format!("NOT JUDGED: {count} of {scheme}: {reason}"));
    }
    assert!(wrong.is_empty(), "{} of {judged} are judged wrongly:\n{}", wrong.len(), wrong.join("\n"));
    assert!(judged > 100, "only {judged} were judged");
}

/// What is refused here though somebody accepts it.
fn stricter(vector: &Vector) -> Option<&'static str> {
    match vector.scheme.as_str() {
        // X signs in base64; this one request was made by somebody who took it for hexadecimal.
        "x-twitter" => Some("signature_mismatch"),
        // The vendors' SDKs look at one end of the window only.
        "stripe" if vector.valid && vector.note.contains("far future") => Some("from_the_future"),
        "box" if vector.valid && vector.note.contains("ten years behind") => Some("from_the_future"),
        // Zendesk's own timestamps are RFC 3339; this one was made by somebody who did not care.
        "zendesk" if vector.headers.values().any(|it| it == "1234") => Some("timestamp_malformed"),
        // Vendors' test consoles and proxies use other methods; events come by POST.
        _ if vector.method != "POST" => Some("method_not_allowed"),
        _ => None,
    }
}

/// The code of the rejection, if it is one.
async fn judge(vector: &Vector, scheme: &Known) -> Result<(), String> {
    let (base, target) = split(&vector.url);
    let settings = settings(vector, scheme, base)?;
    let settings: Settings = settings.parse().map_err(|error| format!("settings: {error}"))?;
    let built = Webhooks::builder().settings(settings).listener(Recorder::new("*")).build().await;
    let webhooks = match built {
        Ok(webhooks) => webhooks,
        // A secret that nobody should have is refused at startup.
        Err(_) if !vector.valid => return Err("it does not start".to_owned()),
        Err(error) => panic!("{}: {error}", vector.scheme),
    };
    let body = BASE64.decode(&vector.body_base64).expect("base64");
    let source = SourceName::new("judged").expect("a legal name");
    let received = vector.now_unix.map_or_else(SystemTime::now, at);
    let headers = vector.headers.iter().map(|(name, value)| {
        let name: HeaderName = name.parse().expect("a header's name");
        (name, HeaderValue::from_bytes(value.as_bytes()).expect("a header's value"))
    });
    let delivery = Delivery::new(source, body)
        .with_method(vector.method.parse().expect("a method"))
        .with_uri(target.parse::<Uri>().expect("a path and query"))
        .with_headers(headers.collect())
        .with_received_at(received);
    let reply = webhooks.handle().processor().process(delivery).await;
    let rejected = (400..500).contains(&reply.status.as_u16());
    let code = if rejected { reason(&reply) } else { String::new() };
    // What follows verification is not judged: a vector is a signature's, and may hold any body.
    if rejected && REJECTIONS.contains(&code.as_str()) { Err(code) } else { Ok(()) }
}

/// The codes of all rejections, and that of a method that no vendor sends events with.
const REJECTIONS: [&str; 9] = [
    "method_not_allowed",
    "signature_missing",
    "signature_malformed",
    "signature_mismatch",
    "timestamp_malformed",
    "expired",
    "from_the_future",
    "header_repeated",
    "header_required",
];

fn settings(vector: &Vector, scheme: &Known, base: &str) -> Result<String, String> {
    let secrets = match vector.secret.clone() {
        Secrets::One(secret) => vec![secret],
        Secrets::Several(secrets) => secrets,
    };
    let quoted = |text: &str| serde_json::to_string(text).map_err(|error| error.to_string());
    let secrets = secrets.iter().map(|it| quoted(it)).collect::<Result<Vec<_>, _>>()?.join(", ");
    let mut settings = format!("[sources.judged]\nsecrets = [{secrets}]\npublic_url = {}\n", quoted(base)?);
    match scheme {
        Known::Provider { name, variant } => {
            settings += &format!("provider = {}\n", quoted(name)?);
            if let Some(variant) = variant {
                settings += &format!("variant = {}\n", quoted(variant)?);
            }
            if name == "wise" {
                settings += "expect = { \"$.subscription_id\" = \"1\" }\n";
            }
        }
        Known::Described(signature) => {
            settings += &format!(
                "[sources.judged.scheme.signature]\n{signature}\n\
                 [sources.judged.scheme.identity]\nid_digest = true\ntype_constant = \"event\"\n"
            );
        }
        Known::Unknown(reason) => return Err((*reason).to_owned()),
    }
    Ok(settings)
}

/// Scheme and authority, then path and query; vectors without a URL sign none.
fn split(url: &str) -> (&str, &str) {
    let after_scheme = url.find("://").map_or(0, |at| at + 3);
    let path = url[after_scheme..].find(['/', '?']).map_or(url.len(), |at| after_scheme + at);
    let (base, target) = url.split_at(path);
    (if base.is_empty() { "https://example.com" } else { base }, if target.is_empty() { "/" } else { target })
}

fn at(unix: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(unix)
}

fn vectors() -> Vec<Vector> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let entries = folder.read_dir().expect("tests/vectors");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    match std::env::var_os("WEBHOOKS_VECTORS").map(PathBuf::from) {
        Some(path) if path.is_dir() => files.push(path.join("vectors.json")),
        Some(path) => files.push(path),
        None => {
            say("ONLY tests/vectors: set WEBHOOKS_VECTORS to the path of vectors.json to have those judged")
        }
    }
    let read = |file: &PathBuf| -> Vec<Vector> {
        let text = std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    };
    files.iter().flat_map(read).collect()
}

/// To the real standard error: what `eprintln` says is not shown of a test that passes.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "vectors: {line}");
}
