//! The running `receiver`, and deliveries that were changed on the way.

use std::net::{Ipv4Addr, SocketAddr};

use serde_json::Value;
use support::free_port;
use support::http::{Request, Response};
use support::process::{Process, Program};
use tempfile::TempDir;

use crate::signing::Delivery;

pub(crate) const PUBLIC_URL: &str = "https://example.com";

const SECRETS: [(&str, &str); 20] = [
    ("adyen", "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056"),
    ("adyen-platform", "11223344D785FBAE710E7F943F307971BB61B21281C98C9129B3D4018A57B2EB"),
    ("box", "4py2I9eSFb0ezXH5iPeQRcFK1LRLCdip"),
    ("braintree", "integration_public_key:integration_private_key"),
    ("clerk", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"),
    ("cloudevents", "mF9B5f41JqMcZpQ7"),
    ("coinbase-commerce", "0e8a9b3e-5c1e-4a41-9e63-2f2a9a5d5d0b"),
    ("contentful", "AbCdEf0123456789AbCdEf0123456789AbCdEf0123456789AbCdEf0123456789"),
    ("github", "zwölf Boxkämpfer & a key"),
    ("hubspot", "b7a6f0d2-98a1-4a7c-8f0e-61d1c4b0a2e9"),
    ("openai", "whsec_K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="),
    ("paddle", "pdl_ntfset_01hv8wptq8987qeep44cyrewp9_4f1c9a7be2d04c55a1d0c7be9f63e8d2"),
    ("pusher", "278d425bdf160c739803:7ad3773142a6692b25b8"),
    ("resend", "whsec_plJ3nmyCDGBKInavdOK15jsl0aVmKrTA"),
    ("shopify", "hush, it is a client secret"),
    ("slack", "6d0e5b1f3a2c4798b5a6c7d8e9f00112"),
    ("standard-webhooks", "whsec_BwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSY="),
    ("stripe", "whsec_4f1c9a7be2d04c55a1d0c7be9f63e8d2"),
    ("svix", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
    ("twilio", "b7e1a9d2c3f4456789aa00bb11cc22dd"),
];

/// These allow seconds, and the scripts that sign take some to start.
const IMPATIENT: [&str; 2] = ["contentful", "paddle"];

pub(crate) fn secret_of(provider: &str) -> &'static str {
    SECRETS.iter().find(|(name, _)| *name == provider).expect("a secret").1
}

/// The example of that name, with all sources.
pub(crate) struct Receiver {
    pub(crate) process: Process,
    address: SocketAddr,
    _settings: TempDir,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        let settings = tempfile::tempdir().expect("a temporary folder");
        let file = settings.path().join("webhooks.toml");
        let sources = SECRETS.map(|(name, secret)| {
            let patience = if IMPATIENT.contains(&name) { "tolerance_seconds = 600\n" } else { "" };
            format!("[webhooks.sources.{name}]\nsecret = \"{secret}\"\n{patience}")
        });
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

    pub(crate) async fn send(&self, delivery: &Delivery) -> Response {
        Request::post(format!("/webhooks/{}", delivery.source))
            .headers(&delivery.headers)
            .body(&delivery.body)
            .send(self.address)
            .await
            .expect("a response")
    }

    /// The line that the receiver prints when it has handled this event.
    pub(crate) async fn handled(&self, id: &str) -> Value {
        let is_it = |line: &str| serde_json::from_str(line).is_ok_and(|event: Value| event["id"] == id);
        let line = self.process.stdout().line(is_it).await;
        serde_json::from_str(&line).expect("JSON")
    }

    /// One bit turned in the body, then one digit of the signature changed: 401.
    pub(crate) async fn refuses_damaged(&self, delivery: &Delivery) {
        let body = covers_body(delivery).then(|| damage_body(delivery));
        for damaged in body.into_iter().chain([damage_signature(delivery)]) {
            let response = self.send(&damaged).await;
            assert_eq!(response.status, 401, "{damaged:?}\n{}", self.process.output());
        }
    }
}

/// All but a token do.
fn covers_body(delivery: &Delivery) -> bool {
    delivery.source != "cloudevents"
}

fn damage_body(delivery: &Delivery) -> Delivery {
    // Where only some of the body is signed, it begins behind this.
    let signed_from = match delivery.source {
        "adyen" => "\"pspReference\":\"",
        "braintree" => "bt_payload=",
        _ => "",
    };
    let start = delivery.position(signed_from);
    let mut damaged = delivery.clone();
    // A letter stays a letter: what refuses it is the signature, not a parser.
    let is_letter = |byte: &&mut u8| (b'b'..=b'y').contains(*byte);
    *damaged.body[start..].iter_mut().find(is_letter).expect("a letter") ^= 1;
    damaged
}

fn damage_signature(delivery: &Delivery) -> Delivery {
    let mut damaged = delivery.clone();
    let behind = match delivery.source {
        "adyen" => "\"hmacSignature\":\"",
        // The public key stands in front.
        "braintree" => "%7C",
        _ => {
            let is_signature =
                |name: &str| ["signature", "hmac", "authorization"].iter().any(|it| name.contains(it));
            let named = damaged.headers.iter_mut().filter(|it| is_signature(it.0));
            // Beside it, its version and algorithm may be named.
            let (_, value) = named.max_by_key(|(_, value)| value.len()).expect("a signature");
            // All of them end in the MAC, in base64 or hex.
            let mac = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/');
            let start = value.trim_end_matches('=').trim_end_matches(mac).len();
            value.replace_range(start..=start, other_digit(value.as_bytes()[start]));
            return damaged;
        }
    };
    let start = delivery.position(behind);
    damaged.body[start] = other_digit(damaged.body[start]).as_bytes()[0];
    damaged
}

/// Another digit, of hexadecimal and of base64 alike.
fn other_digit(digit: u8) -> &'static str {
    if digit == b'0' { "1" } else { "0" }
}

impl Delivery {
    /// Where the body goes on behind this text.
    fn position(&self, text: &str) -> usize {
        let body = String::from_utf8_lossy(&self.body);
        body.find(text).unwrap_or_else(|| panic!("no {text} in {body}")) + text.len()
    }
}
