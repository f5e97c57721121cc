//! The vendors' own SDKs sign, the running `receiver` accepts; with one bit turned, it refuses.
//!
//! `tests/interop/sign.mjs` and `sign.py` hold the SDKs; `tests/run` installs them.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde_json::{Value, json};
use support::http::{Request, Response};
use support::process::{Process, Program};
use support::{free_port, sign};
use tempfile::TempDir;

#[tokio::test]
async fn stripe() {
    let event = |id: &str| json!({"id": id, "object": "event", "type": "charge.succeeded"});
    accepts_and_refuses("stripe", &[NODE, PYTHON], &json_bodies(event), Some("charge.succeeded")).await;
}

#[tokio::test]
async fn github() {
    let event = |_: &str| json!({"ref": "refs/heads/main"});
    accepts_and_refuses("github", &[NODE], &json_bodies(event), Some("push")).await;
}

#[tokio::test]
async fn standard_webhooks() {
    let event = |_: &str| json!({"type": "user.created"});
    accepts_and_refuses("standard-webhooks", &[NODE, PYTHON], &json_bodies(event), Some("user.created"))
        .await;
}

#[tokio::test]
async fn slack() {
    let event = |id: &str| json!({"type": "event_callback", "event_id": id, "event": {"type": "message"}});
    accepts_and_refuses("slack", &[PYTHON], &json_bodies(event), Some("message")).await;
}

#[tokio::test]
async fn twilio() {
    let message = |id: &str| format!("MessageSid={id}&From=%2B15551234567");
    accepts_and_refuses("twilio", &[NODE, PYTHON], &form_bodies(message), None).await;
}

/// A slash command is a form and carries no event id: whatever becomes of it, its signature counts.
#[tokio::test]
async fn slack_forms() {
    let command = |id: &str| format!("command=%2Fdeploy&trigger_id={id}");
    let receiver = Receiver::start();
    for delivery in sign_with(PYTHON, "slack", &form_bodies(command)) {
        receiver.refuses_damaged(&delivery).await;
        assert_ne!(receiver.send(&delivery).await.status, 401, "{delivery:?}");
    }
}

async fn accepts_and_refuses(
    provider: &'static str,
    signers: &[Signer],
    bodies: &Bodies<'_>,
    event: Option<&str>,
) {
    let receiver = Receiver::start();
    let mut sent = 0;
    for &signer in signers {
        for delivery in sign_with(signer, provider, bodies) {
            // Refused first, so that its id cannot be known already.
            receiver.refuses_damaged(&delivery).await;
            let response = receiver.send(&delivery).await;
            assert_eq!(response.status, 200, "{delivery:?}\n{}", receiver.process.output());

            sent += 1;

            let handled = receiver.handled(&delivery.id).await;
            assert_eq!(handled["source"], provider);
            assert_eq!(handled["attempt"], 1);
            if let Some(event) = event {
                assert_eq!(handled["type"], event);
            }
        }
    }
    // The last line is there: had a damaged delivery been handled, its line would be too.
    assert_eq!(receiver.process.stdout().count(), sent, "{}", receiver.process.output());
}

// ---- bodies --------------------------------------------------------------------------------------

/// Ids and bodies, made for one signer: its name goes in, so that no two signers share an id.
type Bodies<'a> = dyn Fn(&str) -> Vec<(String, String)> + 'a;

/// An event, with further members as JSON may be written: a signature covers every byte of them.
fn json_bodies<'a>(event: impl Fn(&str) -> Value + 'a) -> Box<Bodies<'a>> {
    let further = [
        ("plain", ""),
        ("unicode", r#","name":"Zoë 東京 🦀""#),
        ("escapes", r#","text":"\u0001 \" \\ \/ \ud83e\udd80""#),
        ("spaces", " , \"a\" :\t[ ]\r\n"),
        ("numbers", r#","n":[1e2,100,1.0,-0]"#),
        ("empty", r#","":{},"e":"","n":null"#),
    ];
    Box::new(move |signer| {
        let body = |(name, members): (&str, &str)| {
            let id = format!("{signer}-{name}");
            let event = event(&id).to_string();
            let open = event.strip_suffix('}').expect("an object").to_owned();
            (id, open + members + "}")
        };
        further.map(body).into()
    })
}

/// A form, with further fields.
fn form_bodies<'a>(form: impl Fn(&str) -> String + 'a) -> Box<Bodies<'a>> {
    let further = [
        ("plain", "&Body=Hello"),
        ("unicode", "&Body=Zo%C3%AB+%F0%9F%A6%80"),
        ("escapes", "&Body=1%2B1%3D2%26%25+%22"),
        ("empty", "&Body="),
        ("order", "&b=2&a=1&B=3&A=4"),
        ("repeated", "&a=2&a=1&a=2"),
    ];
    Box::new(move |signer| {
        let body = |(name, fields): (&str, &str)| {
            let id = format!("{signer}-{name}");
            let body = form(&id) + fields;
            (id, body)
        };
        further.map(body).into()
    })
}

// ---- signing -------------------------------------------------------------------------------------

/// A script around one language's SDKs.
#[derive(Debug, Clone, Copy)]
struct Signer {
    script: &'static str,
    /// The variable that names its interpreter; node is in the `PATH`.
    interpreter: Option<&'static str>,
}

const NODE: Signer = Signer { script: "sign.mjs", interpreter: None };
const PYTHON: Signer = Signer { script: "sign.py", interpreter: Some("WEBHOOKS_TEST_PYTHON") };

/// A delivery that an SDK signed.
#[derive(Debug, Clone)]
struct Delivery {
    source: &'static str,
    /// `name@version`
    #[expect(dead_code, reason = "tells in a failed test's message which SDK it was")]
    sdk: String,
    id: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

/// What a script answers with.
#[derive(Debug, Deserialize)]
struct Reply {
    sdk: String,
    headers: BTreeMap<String, String>,
}

fn sign_with(signer: Signer, provider: &'static str, bodies: &Bodies<'_>) -> Vec<Delivery> {
    let bodies = bodies(signer.script);
    let secret = &SECRETS.iter().find(|(name, _)| *name == provider).expect("a secret").1;
    let request = |(id, body): &(String, String)| {
        json!({
            "provider": provider,
            "secret": secret,
            "method": "POST",
            "url": format!("{PUBLIC_URL}/webhooks/{provider}"),
            "headers": unsigned_headers(provider, body),
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
            let Reply { sdk, headers } =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{signer:?}: {error}: {line}"));
            Delivery { source: provider, sdk, id, headers, body: body.into_bytes() }
        })
        .collect();
    assert_eq!(deliveries.len(), 6, "{signer:?} left deliveries unsigned:\n{replies}");
    deliveries
}

fn unsigned_headers(provider: &str, body: &str) -> BTreeMap<&'static str, &'static str> {
    let form = !body.starts_with('{');
    let content_type = if form { "application/x-www-form-urlencoded" } else { "application/json" };
    let mut headers = BTreeMap::from([("Content-Type", content_type)]);
    if provider == "github" {
        headers.insert("X-GitHub-Event", "push");
    }
    headers
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

// ---- receiving -----------------------------------------------------------------------------------

const PUBLIC_URL: &str = "https://example.com";

const SECRETS: [(&str, &str); 5] = [
    ("stripe", "whsec_4f1c9a7be2d04c55a1d0c7be9f63e8d2"),
    ("github", "zwölf Boxkämpfer & a key"),
    ("standard-webhooks", "whsec_BwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSY="),
    ("slack", "6d0e5b1f3a2c4798b5a6c7d8e9f00112"),
    ("twilio", "b7e1a9d2c3f4456789aa00bb11cc22dd"),
];

/// The example of that name, with all five sources.
struct Receiver {
    process: Process,
    address: SocketAddr,
    _settings: TempDir,
}

impl Receiver {
    fn start() -> Self {
        let settings = tempfile::tempdir().expect("a temporary folder");
        let file = settings.path().join("webhooks.toml");
        let sources =
            SECRETS.map(|(name, secret)| format!("[webhooks.sources.{name}]\nsecret = \"{secret}\"\n"));
        let text = format!("[webhooks.http]\npublic_url = \"{PUBLIC_URL}\"\n{}", sources.concat());
        std::fs::write(&file, text).expect("a file");

        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let process = Program::built("receiver")
            .current_dir(settings.path())
            .env("WEBHOOKS_CONFIG", &file)
            .env("WEBHOOKS_HTTP__BIND", address.to_string())
            .start();
        process.wait_until_listening(address);
        Self { process, address, _settings: settings }
    }

    async fn send(&self, delivery: &Delivery) -> Response {
        Request::post(format!("/webhooks/{}", delivery.source))
            .headers(&delivery.headers)
            .body(&delivery.body)
            .send(self.address)
            .await
            .expect("a response")
    }

    /// The line that the receiver prints when it has handled this event.
    async fn handled(&self, id: &str) -> Value {
        let is_it = |line: &str| serde_json::from_str(line).is_ok_and(|event: Value| event["id"] == id);
        let line = self.process.stdout().line(is_it).await;
        serde_json::from_str(&line).expect("JSON")
    }

    /// One bit turned in the body, then one in the signature: 401.
    async fn refuses_damaged(&self, delivery: &Delivery) {
        for damaged in [damage_body(delivery), damage_signature(delivery)] {
            let response = self.send(&damaged).await;
            assert_eq!(response.status, 401, "{damaged:?}\n{}", self.process.output());
        }
    }
}

fn damage_body(delivery: &Delivery) -> Delivery {
    let mut damaged = delivery.clone();
    // A letter stays a letter: what refuses it is the signature, not a parser.
    let letter = damaged.body.iter_mut().find(|byte| (b'b'..=b'y').contains(*byte)).expect("a letter");
    *letter ^= 1;
    damaged
}

fn damage_signature(delivery: &Delivery) -> Delivery {
    let mut damaged = delivery.clone();
    let is_signature = |name: &str| name.to_ascii_lowercase().contains("signature");
    let (_, value) = damaged.headers.iter_mut().find(|(name, _)| is_signature(name)).expect("a signature");
    // All of the five end in the MAC, in base64 (with padding: SHA-1 and SHA-256 need it) or hex.
    *value = if value.ends_with('=') {
        let start = value.rfind(',').map_or(0, |comma| comma + 1);
        let mut mac = BASE64.decode(&value[start..]).expect("base64");
        mac[0] ^= 1;
        value[..start].to_owned() + &BASE64.encode(mac)
    } else {
        let (start, last) = value.split_at(value.len() - 1);
        format!("{start}{:x}", u8::from_str_radix(last, 16).expect("hex") ^ 1)
    };
    damaged
}
