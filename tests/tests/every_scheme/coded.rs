//! Schemes in code, signed a second time from their vendors' documentation.

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use proptest::prelude::*;
use serde_json::{Value, json};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use support::described::Signed;
use tokio::runtime::Builder;

use crate::sending::{BASE, PATH, receiver, run, send};

/// What a request is made of. A signer uses what its vendor signs.
#[derive(Debug, Clone)]
struct Parts {
    secret: String,
    /// In seconds since 1970.
    time: u64,
    texts: [String; 3],
    number: u32,
}

/// A scheme in code, as its vendor uses it.
struct Coded {
    validator: &'static str,
    provider: &'static str,
    /// A secret of the right form out of random digits.
    secret: fn(&str) -> String,
    sign: fn(&Parts) -> Sent,
    /// Changes of a request that leave its signature as it is, each of something that is signed.
    changes: fn(&Sent) -> Vec<(&'static str, Sent)>,
}

#[derive(Debug, Clone)]
struct Sent {
    target: String,
    headers: Vec<(String, String)>,
    body: String,
    /// The time of receipt.
    time: u64,
}

const SCHEMES: [Coded; 8] = [
    Coded { validator: "adyen", provider: "adyen", secret: plain, sign: adyen, changes: adyen_changes },
    Coded {
        validator: "braintree",
        provider: "braintree",
        secret: |digits| format!("public:{digits}"),
        sign: braintree,
        changes: braintree_changes,
    },
    Coded {
        validator: "client-state",
        provider: "microsoft-graph",
        secret: plain,
        sign: client_state,
        changes: |_| Vec::new(),
    },
    Coded {
        validator: "contentful",
        provider: "contentful",
        secret: plain,
        sign: contentful,
        changes: contentful_changes,
    },
    Coded { validator: "monday", provider: "monday", secret: plain, sign: monday, changes: monday_changes },
    Coded { validator: "netlify", provider: "netlify", secret: plain, sign: netlify, changes: body_changes },
    Coded {
        validator: "twilio",
        provider: "twilio",
        secret: plain,
        sign: twilio_form,
        changes: twilio_form_changes,
    },
    Coded {
        validator: "twilio",
        provider: "twilio",
        secret: plain,
        sign: twilio_json,
        changes: twilio_json_changes,
    },
];

#[test]
fn what_is_signed_is_accepted_and_nothing_else() {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    for scheme in &SCHEMES {
        let inputs = (
            "[0-9a-f]{64}",
            1_000_000_000_u64..4_000_000_000,
            prop::array::uniform3("[A-Za-z0-9 .+&=%~/é-]{1,20}"),
            1_u32..1_000_000,
            any::<usize>(),
        );
        run(scheme.provider, &inputs, |(digits, time, texts, number, at)| {
            let parts = Parts { secret: (scheme.secret)(&digits), time, texts, number };
            runtime.block_on(check(scheme, &parts, at))
        });
    }
}

/// The genuine request, and one single change after the other.
async fn check(scheme: &Coded, parts: &Parts, at: usize) -> Result<(), TestCaseError> {
    let ours = receiver(scheme.provider, "", &parts.secret).await;
    let genuine = (scheme.sign)(parts);
    let verdict = async |request: &Sent| {
        let signed: Signed = (request.headers.clone(), request.body.clone().into_bytes());
        send(&ours, request.time, &request.target, &signed).await
    };
    prop_assert_eq!(verdict(&genuine).await, None, "the genuine one: {:?}", genuine);
    for (name, changed) in (scheme.changes)(&genuine) {
        prop_assert!(verdict(&changed).await.is_some(), "{name} changed: {changed:?}");
    }
    let mut other = parts.secret.clone().into_bytes();
    let at = other.len() - 1 - at % 64;
    other[at] = if other[at] == b'a' { b'b' } else { b'a' };
    let other = String::from_utf8(other).expect("text");
    let forged = (scheme.sign)(&Parts { secret: other, ..parts.clone() });
    prop_assert!(verdict(&forged).await.is_some(), "signed with another secret: {forged:?}");
    Ok(())
}

/// Whoever adds a scheme in code has it signed here, or with a vendor's key elsewhere.
#[test]
fn every_scheme_in_code_has_a_signer() {
    const PUBLISHED_KEYS: [&str; 4] = ["aws-sns", "google-pubsub", "paypal", "plaid"];
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../webhooks/src/catalogue");
    let mut found = 0;
    for entry in folder.read_dir().expect("the catalogue") {
        let path = entry.expect("a file").path();
        if path.extension().is_none_or(|it| it != "toml") {
            continue;
        }
        let table: toml::Table = std::fs::read_to_string(&path).expect("text").parse().expect("TOML");
        let Some(validator) = table["signature"].get("validator").and_then(|it| it.as_str()) else {
            continue;
        };
        let known = SCHEMES.iter().any(|it| it.validator == validator) || PUBLISHED_KEYS.contains(&validator);
        assert!(known, "{}: nobody signs for `{validator}`", path.display());
        found += 1;
    }
    assert_eq!(found, 11);
}

fn plain(digits: &str) -> String {
    digits.to_owned()
}

fn mac<M: Mac + KeyInit>(key: &[u8], content: &[u8]) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(key).expect("any key length");
    mac.update(content);
    mac.finalize().into_bytes().to_vec()
}

fn header(name: &str, value: impl Into<String>) -> (String, String) {
    (name.to_owned(), value.into())
}

/// `percent`, as forms and URLs have it.
fn escaped(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    text.bytes().fold(String::new(), |encoded, byte| match byte {
        byte if plain(&byte) => encoded + &char::from(byte).to_string(),
        byte => encoded + &format!("%{byte:02X}"),
    })
}

fn body_changes(sent: &Sent) -> Vec<(&'static str, Sent)> {
    let longer = Sent { body: format!("{} ", sent.body), ..sent.clone() };
    let other = Sent { body: sent.body.replacen(['{', '[', '<'], "(", 1), ..sent.clone() };
    vec![("the body's end", longer), ("the body", other)]
}

// ---- Adyen -------------------------------------------------------------------------------------

/// <https://docs.adyen.com/development-resources/webhooks/secure-webhooks/verify-hmac-signatures>
fn adyen(parts: &Parts) -> Sent {
    let [reference, merchant, order] = parts.texts.clone().map(|it| it.replace(':', ""));
    let amount = parts.number;
    let content = format!("{reference}::{merchant}:{order}:{amount}:EUR:AUTHORISATION:true");
    let key = hex::decode(&parts.secret).expect("hexadecimal digits");
    let item = json!({"NotificationRequestItem": {
        "additionalData": {"hmacSignature": STANDARD.encode(mac::<Hmac<Sha256>>(&key, content.as_bytes()))},
        "pspReference": reference, "merchantAccountCode": merchant, "merchantReference": order,
        "amount": {"value": amount, "currency": "EUR"}, "eventCode": "AUTHORISATION", "success": "true",
    }});
    let body = json!({"live": "false", "notificationItems": [item]}).to_string();
    Sent { target: PATH.to_owned(), headers: Vec::new(), body, time: parts.time }
}

fn adyen_changes(sent: &Sent) -> Vec<(&'static str, Sent)> {
    let with = |change: fn(&mut Value)| {
        let mut body: Value = serde_json::from_str(&sent.body).expect("JSON");
        change(&mut body["notificationItems"][0]["NotificationRequestItem"]);
        Sent { body: body.to_string(), ..sent.clone() }
    };
    vec![
        ("the reference", with(|it| it["pspReference"] = "other".into())),
        ("the original reference", with(|it| it["originalReference"] = "other".into())),
        ("the merchant", with(|it| it["merchantAccountCode"] = "".into())),
        ("the order", with(|it| it["merchantReference"] = Value::Null)),
        ("the amount", with(|it| it["amount"]["value"] = 1_000_001.into())),
        ("the currency", with(|it| it["amount"]["currency"] = "USD".into())),
        ("the event", with(|it| it["eventCode"] = "REFUND".into())),
        ("the success", with(|it| it["success"] = "false".into())),
        ("the signature", with(|it| it["additionalData"]["hmacSignature"] = STANDARD.encode([0; 32]).into())),
    ]
}

// ---- Braintree ---------------------------------------------------------------------------------

/// <https://github.com/braintree/braintree_node>: the key is the hash of the private key.
fn braintree(parts: &Parts) -> Sent {
    let (public, private) = parts.secret.split_once(':').expect("two keys");
    let xml = format!("<notification><kind>{}</kind></notification>", escaped(&parts.texts[0]));
    let payload = STANDARD.encode(xml);
    let signature = mac::<Hmac<Sha1>>(&Sha1::digest(private), payload.as_bytes());
    // Another key's signature may stand beside.
    let signatures = format!("{public}|{}&other|{}", hex::encode(signature), "00".repeat(20));
    let body = format!("bt_signature={}&bt_payload={}", escaped(&signatures), escaped(&payload));
    let form = vec![header("Content-Type", "application/x-www-form-urlencoded")];
    Sent { target: PATH.to_owned(), headers: form, body, time: parts.time }
}

fn braintree_changes(sent: &Sent) -> Vec<(&'static str, Sent)> {
    let with = |from: &str, to: &str| Sent { body: sent.body.replacen(from, to, 1), ..sent.clone() };
    let other = escaped(&STANDARD.encode("<notification><kind>other</kind></notification>"));
    let (head, _) = sent.body.split_once("bt_payload=").expect("a payload");
    vec![
        ("the public key", with("bt_signature=public", "bt_signature=republic")),
        ("the signature", with("%7C", "%7C00")),
        ("the payload", Sent { body: format!("{head}bt_payload={other}"), ..sent.clone() }),
        ("the payload, twice", Sent { body: format!("{}&bt_payload={other}", sent.body), ..sent.clone() }),
    ]
}

// ---- Microsoft Graph ---------------------------------------------------------------------------

/// <https://learn.microsoft.com/graph/change-notifications-delivery-webhooks>
fn client_state(parts: &Parts) -> Sent {
    let notification = json!({"id": parts.texts[0], "changeType": "created", "clientState": parts.secret});
    let body = json!({"value": [notification]}).to_string();
    Sent { target: PATH.to_owned(), headers: Vec::new(), body, time: parts.time }
}

// ---- Contentful --------------------------------------------------------------------------------

/// <https://www.contentful.com/developers/docs/webhooks/request-verification/>
fn contentful(parts: &Parts) -> Sent {
    let millis = (parts.time * 1_000).to_string();
    let names = "x-contentful-signed-headers,x-contentful-timestamp,x-contentful-topic";
    let body = json!({"sys": {"id": parts.texts[0]}}).to_string();
    let lines = BTreeMap::from([
        ("x-contentful-signed-headers", names),
        ("x-contentful-timestamp", &millis),
        ("x-contentful-topic", "ContentManagement.Entry.publish"),
    ]);
    let listed: Vec<_> = lines.iter().map(|(name, value)| format!("{name}:{value}")).collect();
    let content = format!("POST\n{PATH}\n{}\n{body}", listed.join(";"));
    let signature = hex::encode(mac::<Hmac<Sha256>>(parts.secret.as_bytes(), content.as_bytes()));
    let mut headers: Vec<_> = lines.iter().map(|(name, value)| header(name, *value)).collect();
    headers.push(header("x-contentful-signature", signature));
    Sent { target: PATH.to_owned(), headers, body, time: parts.time }
}

fn contentful_changes(sent: &Sent) -> Vec<(&'static str, Sent)> {
    let with = |name: &str, value: &str| {
        let mut changed = sent.clone();
        let header = changed.headers.iter_mut().find(|(it, _)| it == name).expect("the header");
        header.1 = value.to_owned();
        changed
    };
    let mut changes = body_changes(sent);
    changes.extend([
        ("the path", Sent { target: format!("{PATH}?a=1"), ..sent.clone() }),
        ("a header", with("x-contentful-topic", "ContentManagement.Entry.delete")),
        (
            "the list",
            with("x-contentful-signed-headers", "x-contentful-signed-headers,x-contentful-timestamp"),
        ),
        ("the time", with("x-contentful-timestamp", &(sent.time * 1_000 + 1).to_string())),
        ("the age", Sent { time: sent.time + 31, ..sent.clone() }),
    ]);
    changes
}

// ---- Monday, Netlify ---------------------------------------------------------------------------

/// RFC 7515, in the compact form.
fn hs256(secret: &str, claims: &Value) -> String {
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let signed = format!("{}.{}", part(&json!({"alg": "HS256", "typ": "JWT"})), part(claims));
    let signature = mac::<Hmac<Sha256>>(secret.as_bytes(), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// <https://developer.monday.com/apps/docs/integration-authorization>
fn monday(parts: &Parts) -> Sent {
    let claims = json!({"accountId": parts.number, "iat": parts.time, "exp": parts.time + 300});
    let body = json!({"event": {"type": "create_pulse", "triggerUuid": parts.texts[0]}}).to_string();
    let headers = vec![header("Authorization", hs256(&parts.secret, &claims))];
    Sent { target: PATH.to_owned(), headers, body, time: parts.time }
}

/// The token says nothing of the body.
fn monday_changes(sent: &Sent) -> Vec<(&'static str, Sent)> {
    let token = &sent.headers[0].1;
    let pieces: Vec<_> = token.split('.').collect();
    let claims = URL_SAFE_NO_PAD.encode(json!({"accountId": 0, "exp": sent.time + 300}).to_string());
    let with = |token: String| Sent { headers: vec![header("Authorization", token)], ..sent.clone() };
    vec![
        ("the claims", with(format!("{}.{claims}.{}", pieces[0], pieces[2]))),
        ("the signature", with(format!("{}.{}.{}", pieces[0], pieces[1], URL_SAFE_NO_PAD.encode([0; 32])))),
        ("the age", Sent { time: sent.time + 600, ..sent.clone() }),
    ]
}

/// <https://docs.netlify.com/deploy/deploy-notifications/#payload-signature>
fn netlify(parts: &Parts) -> Sent {
    let body = json!({"id": parts.texts[0], "state": "ready"}).to_string();
    let claims = json!({"iss": "netlify", "sha256": hex::encode(Sha256::digest(&body))});
    let headers = vec![
        header("X-Webhook-Signature", hs256(&parts.secret, &claims)),
        header("X-Netlify-Event", "deploy_created"),
    ];
    Sent { target: PATH.to_owned(), headers, body, time: parts.time }
}

// ---- Twilio ------------------------------------------------------------------------------------

/// <https://www.twilio.com/docs/usage/webhooks/webhooks-security>
fn twilio(secret: &str, target: &str, fields: &[(&str, &str)]) -> String {
    let mut fields = fields.to_vec();
    fields.sort_unstable();
    let fields = fields.iter().fold(String::new(), |joined, (name, value)| joined + name + value);
    STANDARD.encode(mac::<Hmac<Sha1>>(secret.as_bytes(), format!("{BASE}{target}{fields}").as_bytes()))
}

fn twilio_form(parts: &Parts) -> Sent {
    let [first, second, third] = &parts.texts;
    let fields = [("SmsStatus", "received"), ("Body", first.as_str()), ("From", second), ("To", third)];
    let body: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
    let headers = vec![
        header("Content-Type", "application/x-www-form-urlencoded"),
        header("X-Twilio-Signature", twilio(&parts.secret, PATH, &fields)),
    ];
    Sent { target: PATH.to_owned(), headers, body: body.join("&"), time: parts.time }
}

fn twilio_form_changes(sent: &Sent) -> Vec<(&'static str, Sent)> {
    let with = |body: String| Sent { body, ..sent.clone() };
    vec![
        ("a value", with(sent.body.replacen("received", "sent", 1))),
        ("a name", with(sent.body.replacen("From=", "Form=", 1))),
        ("the fields", with(format!("{}&More=1", sent.body))),
        ("the URL", Sent { target: format!("{PATH}?a=1"), ..sent.clone() }),
    ]
}

/// A body that is no form is vouched for by its hash in the URL.
fn twilio_json(parts: &Parts) -> Sent {
    let body = json!({"EventType": parts.texts[0]}).to_string();
    let target = format!("{PATH}?a=1&bodySHA256={}", hex::encode(Sha256::digest(&body)));
    let headers = vec![
        header("Content-Type", "application/json"),
        header("X-Twilio-Signature", twilio(&parts.secret, &target, &[])),
    ];
    Sent { target, headers, body, time: parts.time }
}

fn twilio_json_changes(sent: &Sent) -> Vec<(&'static str, Sent)> {
    let mut changes = body_changes(sent);
    let other = json!({"EventType": "other"}).to_string();
    let hash = hex::encode(Sha256::digest(&other));
    let (head, _) = sent.target.split_once("SHA256=").expect("a hash");
    changes.extend([
        ("the URL", Sent { target: sent.target.replacen("a=1", "a=2", 1), ..sent.clone() }),
        ("body and hash", Sent { target: format!("{head}SHA256={hash}"), body: other, ..sent.clone() }),
    ]);
    changes
}
