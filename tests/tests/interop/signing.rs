//! The SDKs, behind one script a language.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use support::sign;

use crate::bodies::Bodies;
use crate::receiving::{PUBLIC_URL, secret_of};

/// A script around one language's SDKs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signer {
    script: &'static str,
    /// The variable that names its interpreter; node is in the `PATH`.
    interpreter: Option<&'static str>,
}

pub(crate) const NODE: Signer = Signer { script: "sign.mjs", interpreter: None };
pub(crate) const PYTHON: Signer = Signer { script: "sign.py", interpreter: Some("WEBHOOKS_TEST_PYTHON") };

/// A delivery that an SDK signed.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(crate) source: &'static str,
    /// `name@version`
    #[expect(dead_code, reason = "tells in a failed test's message which SDK it was")]
    sdk: String,
    /// The id that its event goes by.
    pub(crate) id: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// What a script answers with.
#[derive(Debug, Deserialize)]
struct Reply {
    sdk: String,
    headers: BTreeMap<String, String>,
    /// The whole body, where the SDK made it or signed in it.
    body_base64: Option<String>,
}

pub(crate) fn sign_with(signer: Signer, provider: &'static str, bodies: &Bodies<'_>) -> Vec<Delivery> {
    let bodies = bodies(signer.script);
    let secret = secret_of(provider);
    let request = |(id, body): &(String, String)| {
        json!({
            "provider": provider,
            "secret": secret,
            "method": "POST",
            "url": format!("{PUBLIC_URL}/webhooks/{provider}"),
            "headers": unsigned_headers(provider, id, body),
            "body_base64": BASE64.encode(body),
            "now_unix": sign::now_unix(),
            "id": id,
        })
    };
    let lines: String = bodies.iter().map(|body| request(body).to_string() + "\n").collect();
    let replies = run(signer, &lines);
    let deliveries: Vec<_> = replies
        .lines()
        .zip(bodies)
        .map(|(line, (id, body))| {
            let Reply { sdk, headers, body_base64 } =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{signer:?}: {error}: {line}"));
            let body = match body_base64 {
                Some(made) => BASE64.decode(made).expect("base64"),
                None => body.into_bytes(),
            };
            // An SDK's own content type, in small letters, comes last and stays.
            let headers =
                headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
            Delivery { source: provider, sdk, id: event_id(provider, id, &body), headers, body }
        })
        .collect();
    assert_eq!(deliveries.len(), 6, "{signer:?} left deliveries unsigned:\n{replies}");
    deliveries
}

/// The id that an event goes by, where it is not just the one in its header or body.
fn event_id(provider: &str, id: String, body: &[u8]) -> String {
    let digest = || hex::encode(Sha256::digest(body));
    match provider {
        "adyen" => id + "+AUTHORISATION",
        "cloudevents" => "/interop+".to_owned() + &id,
        "hubspot" => id + "+7+42+1700000000000",
        "braintree" | "contentful" => digest(),
        "pusher" => digest() + "#0",
        _ => id,
    }
}

fn unsigned_headers(provider: &str, id: &str, body: &str) -> BTreeMap<&'static str, String> {
    let form = !body.starts_with(['{', '[']);
    let content_type = if form { "application/x-www-form-urlencoded" } else { "application/json" };
    let further: &[(&str, &str)] = match provider {
        "github" => &[("X-GitHub-Event", "push")],
        "contentful" => &[("X-Contentful-Topic", "ContentManagement.Entry.publish")],
        "shopify" => &[("X-Shopify-Topic", "orders/create"), ("X-Shopify-Webhook-Id", id)],
        _ => &[],
    };
    let headers = further.iter().copied().chain([("Content-Type", content_type)]);
    headers.map(|(name, value)| (name, value.to_owned())).collect()
}

fn run(signer: Signer, requests: &str) -> String {
    let interpreter = signer.interpreter.map_or("node".into(), |name| {
        std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: start the tests with ./tests/run"))
    });
    let script = format!("{}/interop/{}", env!("CARGO_MANIFEST_DIR"), signer.script);
    let mut child = Command::new(interpreter)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{signer:?}: {error}: start the tests with ./tests/run"));
    child.stdin.take().expect("piped").write_all(requests.as_bytes()).expect("the signer reads");
    let output = child.wait_with_output().expect("the signer ends");
    assert!(output.status.success(), "{signer:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("JSON lines")
}
