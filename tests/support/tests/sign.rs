//! The signers here, against published values and what the vendors' own SDKs made.

use support::sign;

#[test]
fn stripe_over_any_bytes() {
    let headers = sign::stripe("secret", 1_700_000_000, &[0xff, 0x80, 0x00]);
    let mac = "84f4c64356c036ee803dc8937088cb75b9c358379ec4bd21782f5e84722c27dd";
    assert_eq!(headers, [("Stripe-Signature", format!("t=1700000000,v1={mac}"))]);
}

#[test]
fn github_as_documented() {
    let headers = sign::github("It's a Secret to Everybody", "1", "ping", b"Hello, World!");
    let mac = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    assert!(headers.contains(&("X-Hub-Signature-256", format!("sha256={mac}"))));
}

#[test]
fn hmac_of_the_original() {
    let headers = sign::hmac("topsecret", "1", br#"{"type": "payment.succeeded"}"#);
    let mac = "9134b696c4e69f5e681d6c7413a310bac5a5adc4093a370643d5c9b8d6a62baf";
    assert!(headers.contains(&("X-Signature", format!("sha256={mac}"))));
}

#[test]
fn twilio_in_any_order() {
    let parameters = [("To", "+15559876543"), ("Body", "Hello"), ("From", "+15551234567"), ("Body", "Hello")];
    let headers =
        sign::twilio("twilio_auth_token_test", "https://example.com/webhooks/sms", "1", &parameters);
    assert!(headers.contains(&("X-Twilio-Signature", "7F4TnJ04UIeMWxaoX4TSzYN/4ig=".into())));
    assert_eq!(sign::form(&parameters[..2]), "To=%2B15559876543&Body=Hello");
}

#[test]
fn agrees_with_the_sdks() {
    let file = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../vectors/sdk.json"));
    let vectors: Vec<serde_json::Value> = serde_json::from_str(&file.expect("sdk.json")).expect("JSON");
    let mut checked = 0;
    for vector in vectors.iter().filter(|vector| vector["valid"] == true) {
        let text = |name: &str| vector[name].as_str().expect("text").to_owned();
        let (secret, body) = (text("secret"), decode(&text("body_base64")));
        let time = vector["now_unix"].as_i64().expect("a time");
        let given = |name: &str| vector["headers"][name].as_str().unwrap_or_default().to_owned();
        let (name, signed) = match &*text("provider") {
            "stripe" => ("Stripe-Signature", sign::stripe(&secret, time, &body)),
            "github" => ("X-Hub-Signature-256", sign::github(&secret, "", "", &body)),
            "slack" => ("X-Slack-Signature", sign::slack(&secret, time, &body)),
            "standard-webhooks" => {
                let id = given("webhook-id");
                ("webhook-signature", sign::standard_webhooks(&secret, &id, time, &body))
            }
            _ => continue,
        };
        let made = signed.into_iter().find(|(header, _)| *header == name).expect("the signature").1;
        assert_eq!(made, given(name), "{vector}");
        checked += 1;
    }
    assert!(checked > 20, "only {checked} vectors");
}

fn decode(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).expect("base64")
}
