//! What is signed: bodies of every kind that a signature must survive.

use serde_json::{Value, json};

/// Ids and bodies, made for one signer: its name goes in, so that no two signers share an id.
pub(crate) type Bodies<'a> = dyn Fn(&str) -> Vec<(String, String)> + 'a;

/// An event, with further members as JSON may be written: a signature covers every byte of them.
pub(crate) fn json_bodies<'a>(event: impl Fn(&str) -> Value + 'a) -> Box<Bodies<'a>> {
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
pub(crate) fn form_bodies<'a>(form: impl Fn(&str) -> String + 'a) -> Box<Bodies<'a>> {
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

/// Each body as the only event of a list.
pub(crate) fn in_lists<'a>(bodies: Box<Bodies<'a>>) -> Box<Bodies<'a>> {
    Box::new(move |signer| bodies(signer).into_iter().map(|(id, body)| (id, format!("[{body}]"))).collect())
}

/// Nothing: the SDK makes the bodies.
pub(crate) fn made_by_the_sdk(signer: &str) -> Vec<(String, String)> {
    (1..=6).map(|number| (format!("{signer}-{number}"), String::new())).collect()
}

/// A notification of Adyen's, with a place for its signature.
pub(crate) fn adyen(id: &str) -> Value {
    json!({
        "live": "false",
        "notificationItems": [{ "NotificationRequestItem": {
            "additionalData": { "hmacSignature": "{signature}" },
            "amount": { "currency": "EUR", "value": 1130 },
            "eventCode": "AUTHORISATION",
            "merchantAccountCode": "TestMerchant",
            "merchantReference": "Zoë & 東京",
            "pspReference": id,
            "success": "true",
        } }],
    })
}
