use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, Method};

use super::identity::Parts;
use super::*;
use crate::delivery::{Delivery, SourceName};
use crate::document::{Node, Origin, TableReader, Value};
use crate::problem::Problems;
use crate::rejection::{Malformed, Rejection};
use crate::secret::Secret;

const IDENTITY: &str = "\n[identity]\nno_id = true\ntype_constant = \"x\"\n";

fn read(text: &str) -> Result<Provider, Vec<String>> {
    let table = toml::Value::Table(toml::from_str(text).expect("TOML"));
    let node = Node::from_toml(table, &Origin::File(Arc::from("own.toml")));
    let Value::Table(table) = &node.value else { return Err(Vec::new()) };
    let problems = Problems::default();
    let provider = Provider::read("own", TableReader::new(table, "", node.origin.clone(), &problems));
    let problems: Vec<_> = problems.into_errors().into_iter().map(|it| it.what).collect();
    if problems.is_empty() { provider.ok_or_else(Vec::new) } else { Err(problems) }
}

fn own(text: &str) -> Provider {
    read(text).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn delivery(body: &str) -> Delivery {
    Delivery::new(SourceName::new("own").expect("a legal name"), body.to_owned())
}

fn verifier(signature: &str, secrets: &[&str]) -> Verifier {
    let secrets: Vec<Secret> = secrets.iter().map(|it| Secret::new(*it)).collect();
    let provider = own(&format!("[signature]\n{signature}{IDENTITY}"));
    provider.bind(&secrets, &BindOptions::default()).unwrap_or_else(|problems| panic!("{problems:?}"))
}

#[test]
fn every_mistake_is_reported_at_once() {
    let problems = read(
        r#"
        titel = "x"
        [signature]
        header = "not a header"
        algorithm = "hmac-sha256"
        content = "{ts}.{body}"
        secret = "utf-8"
        timestamp = { pear = "t" }
        [identity]
        id = "id"
        batch = "@.x"
        payload = "@.y"
        [[challenges]]
        signed = false
        json = { "$.type" = "x" }
        input = { json = "$.challenge", charset = "text" }
        reply = { text = "{input}", mac = { algorithm = "hmac-sha256" } }
        "#,
    )
    .expect_err("a table full of mistakes");
    for mistake in [
        "`titel` in own.toml: unknown key",
        "`signature.header` in own.toml: this is not a header's name",
        "`signature.content` in own.toml: what stands in braces is not a part of a request",
        "`signature.secret` in own.toml: `utf-8` is not a known value",
        "`signature.timestamp` in own.toml: does not say where",
        "`signature.timestamp.pear` in own.toml: unknown key",
        "`identity.id` in own.toml: this is not a path",
        "`identity.type` in own.toml: is missing",
        "`challenges[0].only` in own.toml: an unsigned challenge could swallow an event",
        "`challenges[0].reply` in own.toml: a MAC of free text would let anyone sign an event",
    ] {
        assert!(problems.iter().any(|it| it == mistake), "{mistake}\nis not among {problems:#?}");
    }
}

#[test]
fn a_plain_hash_contains_the_secret() {
    let weak = format!("[signature]\nheader = \"X\"\nalgorithm = \"sha256\"{IDENTITY}");
    assert!(read(&weak).is_err());
}

#[test]
fn boundary_slide() {
    let twitch = r#"
        header = "Twitch-Eventsub-Message-Signature"
        prefix = "sha256="
        algorithm = "hmac-sha256"
        content = "{id}{timestamp}{body}"
        id = { header = "Twitch-Eventsub-Message-Id" }
        timestamp = { header = "Twitch-Eventsub-Message-Timestamp", unit = "rfc3339" }
    "#;
    let verifier = verifier(twitch, &["topsecret"]);
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let headers = verifier.sign(&delivery("{}"), now, "id-1").expect("signed");
    let with = |id: &str, at: &str, body: &str| {
        let mut headers = headers.clone();
        headers.insert("twitch-eventsub-message-id", id.parse().expect("a value"));
        headers.insert("twitch-eventsub-message-timestamp", at.parse().expect("a value"));
        verifier.verify(&delivery(body).with_headers(headers).with_received_at(now))
    };
    assert!(with("id-1", "2023-11-14T22:13:20Z", "{}").is_ok());
    for (id, at, body) in [
        ("id-", "12023-11-14T22:13:20Z", "{}"),
        ("id-12", "023-11-14T22:13:20Z", "{}"),
        ("id-1", "2023-11-14T22:13:20", "Z{}"),
        ("id-1", "2023-11-14T22:13:20Z{", "}"),
    ] {
        assert_eq!(with(id, at, body), Err(Rejection::TimestampMalformed), "{at}");
    }
}

#[test]
fn a_key_id_picks_the_secret() {
    let pusher =
        "header = \"X-Pusher-Signature\"\nkey_id_header = \"X-Pusher-Key\"\nalgorithm = \"hmac-sha256\"";
    let both = verifier(pusher, &["a:first", "b:second"]);
    let second = verifier(pusher, &["b:second"]);
    let mut headers = second.sign(&delivery("{}"), SystemTime::now(), "").expect("signed");
    let verify = |headers: &HeaderMap| both.verify(&delivery("{}").with_headers(headers.clone()));
    assert_eq!(verify(&headers), Ok(Verified::by_secret(1)));
    headers.insert("x-pusher-key", "a".parse().expect("a value"));
    assert_eq!(verify(&headers), Err(Rejection::SignatureMismatch));
    headers.remove("x-pusher-key");
    assert_eq!(verify(&headers), Err(Rejection::HeaderRequired));
}

#[test]
fn tokens_and_basic_authentication() {
    for (signature, secret, header, value) in [
        ("header = \"X-Token\"\nalgorithm = \"token\"", "sesame", "x-token", "sesame"),
        ("algorithm = \"basic\"", "user:sesame", "authorization", "basic dXNlcjpzZXNhbWU="),
        (
            "header = \"Authorization\"\nprefix = \"Bearer \"\nalgorithm = \"token\"",
            "sesame",
            "authorization",
            "Bearer sesame",
        ),
    ] {
        let verifier = verifier(signature, &[secret]);
        let verify = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header, value.parse().expect("a value"));
            verifier.verify(&delivery("{}").with_headers(headers))
        };
        assert_eq!(verify(value), Ok(Verified::by_secret(0)), "{value}");
        assert!(verify(&value[..value.len() - 1]).is_err());
        assert!(verify("").is_err());
    }
}

#[test]
fn batches_are_split() {
    let provider = own(r#"
        [signature]
        header = "X"
        algorithm = "hmac-sha256"
        [identity]
        batch = "$.events"
        id = ["@.id", "$.delivery"]
        type = ["@.type", "$.type"]
    "#);
    let identity = &provider.identity;
    assert!(identity.is_batch() && identity.has_id() && identity.id_is_signed());
    let body = r#"{"delivery":"d","type":"t","events":[{"id":1,"type":"a"},{"n":2}]}"#;
    let parts = identity.identify(&delivery(body)).expect("two events");
    let seen: Vec<_> =
        parts.iter().map(|it| (it.id.as_deref(), it.event_type.as_str(), &*it.payload)).collect();
    assert_eq!(
        seen,
        [(Some("1"), "a", &br#"{"id":1,"type":"a"}"#[..]), (Some("d#1"), "t", &br#"{"n":2}"#[..])]
    );
    assert_eq!(identity.identify(&delivery(r#"{"events":[]}"#)), Ok(Parts::new()));
    assert_eq!(identity.identify(&delivery(r#"{"events":{}}"#)), Err(Malformed::BatchMissing));
    let whole = identity.without_batch().identify(&delivery(body)).expect("one event");
    assert_eq!((whole.len(), whole[0].id.as_deref(), whole[0].event_type.as_str()), (1, Some("d"), "t"));
    assert_eq!(whole[0].payload, body);
    let nameless = identity.identify(&delivery(r#"{"type":"t","events":[{},{}]}"#)).expect("two events");
    assert_ne!(nameless[0].id, nameless[1].id);
}

#[test]
fn x_crc_oracle() {
    let provider = own(&format!(
        r#"
        [signature]
        header = "X-Twitter-Webhooks-Signature"
        prefix = "sha256="
        algorithm = "hmac-sha256"
        encoding = "base64"
        [[challenges]]
        method = "GET"
        signed = false
        input = {{ query = "crc_token", charset = "word" }}
        reply = {{ json = '{{"response_token":"sha256={{mac}}"}}', mac = {{ algorithm = "hmac-sha256", encoding = "base64" }} }}
        {IDENTITY}"#
    ));
    assert_eq!(provider.methods(), [Method::POST, Method::GET]);
    let handshake = provider.handshake(&[Secret::new("topsecret")], None);
    assert!(handshake.may_be_unsigned(&Method::GET));
    let ask = |query: &'static str| {
        let request = delivery("").with_method(Method::GET).with_uri(http::Uri::from_static(query));
        handshake.answer(&request, Stage::BeforeVerification)
    };
    let reply = ask("/x?crc_token=abc").expect("a challenge").expect("an answer");
    assert!(reply.body.starts_with(br#"{"response_token":"sha256="#));
    assert!(matches!(ask("/x?crc_token=%7B%22a%22%3A1%7D"), Some(Err(Malformed::Challenge))));
    assert!(matches!(ask("/x"), Some(Err(Malformed::Challenge))));
}

/// A word is a form with one field: whoever has it signed by asking for a challenge's answer could send it as an event.
#[test]
fn a_challenges_answer_is_no_events_signature() {
    let described = |content: &str, body: &str, challenge: &str| {
        read(&format!(
            r#"
            [signature]
            header = "X-Signature"
            algorithm = "hmac-sha256"
            content = "{content}"
            timestamp = {{ header = "X-Time" }}
            id = {{ header = "X-Id" }}
            [identity]
            body = "{body}"
            no_id = true
            type_constant = "x"
            [[challenges]]
            method = "GET"
            signed = false
            input = {{ query = "token", charset = "word" }}
            reply = {{ text = "{{mac}}", mac = {{ algorithm = "{challenge}" }} }}
            "#
        ))
        .map(drop)
    };
    let oracle = "`challenges` in own.toml: number 1: its reply could be the signature of an event";
    for (content, body) in [
        ("{body}", "form"),
        ("{body}", "content-type"),
        ("{timestamp}{body}", "form"),
        ("v0-{timestamp}-{body}", "form"),
        ("{timestamp}{id}", "json"),
        ("{method}{timestamp}", "json"),
    ] {
        assert_eq!(described(content, body, "hmac-sha256"), Err(vec![oracle.to_owned()]), "{content} {body}");
        assert_eq!(described(content, body, "hmac-sha512"), Ok(()), "{content} {body}");
    }
    for (content, body) in [
        ("{body}", "json"),
        ("{timestamp}{body}", "json"),
        ("{timestamp}.{body}", "form"),
        ("{url}{body}", "form"),
    ] {
        assert_eq!(described(content, body, "hmac-sha256"), Ok(()), "{content} {body}");
    }
}
