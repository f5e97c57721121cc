use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use smallvec::SmallVec;

use super::*;
use crate::delivery::{Delivery, SourceName};
use crate::rejection::{Malformed, Rejection};
use crate::scheme::{BindOptions, BodyCoverage, KeyOwner, Part, SecretProblem, Stage, Verified, Verifier};
use crate::secret::Secret;

const NOW: Duration = Duration::from_secs(1_700_000_000);

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + NOW
}

fn delivery(body: &str) -> Delivery {
    let uri = Uri::from_static("/webhooks/x?a=1");
    let source = SourceName::new("x").expect("a legal name");
    Delivery::new(source, body.to_owned()).with_uri(uri).with_received_at(now())
}

fn known(name: &str) -> Provider {
    provider(name).expect("a provider of the catalogue")
}

fn options() -> BindOptions {
    BindOptions { public_url: Some("https://example.com/".to_owned()), tolerance: None }
}

fn bind(provider: &Provider) -> Verifier {
    let secret = provider.signature.generate_secret().expect("a scheme with a secret");
    provider.bind(&[secret], &options()).expect("a good secret")
}

/// A delivery signed by `verifier`, its headers changed by `change`.
fn signed(verifier: &Verifier, body: &str, change: impl FnOnce(&mut HeaderMap)) -> Delivery {
    let mut headers = verifier.sign(&delivery(body), now(), "evt_1").expect("a scheme that signs in headers");
    change(&mut headers);
    delivery(body).with_headers(headers)
}

fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    headers
        .insert(HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
}

#[test]
fn every_file_can_be_read() {
    for name in names() {
        let problems = Problems::default();
        let provider = read(name, &problems);
        assert_eq!(problems.into_errors(), [], "{name}");
        let provider = provider.expect("a provider");
        assert!(provider.docs.is_some() || name == "hmac", "{name} says where its facts come from");
    }
}

/// The page is made by the build script, out of the same files and without the code that reads them here.
#[test]
fn the_page_tells_what_is_so() {
    const PAGE: &str = include_str!(concat!(env!("OUT_DIR"), "/providers.md"));
    let lines: Vec<_> = PAGE.lines().filter(|line| line.starts_with("| `")).collect();
    assert_eq!(lines.len(), names().count());
    for (name, line) in names().zip(lines) {
        let provider = known(name);
        let cells: Vec<_> = line.replace("\\|", "/").split(" | ").map(str::to_owned).collect();
        let [first, title, signature, body, id, kind, handshake, evidence] = cells.as_slice() else {
            panic!("{name}: {} cells", cells.len())
        };
        assert_eq!(*first, format!("| `{name}`"));
        assert!(title.contains(&provider.title), "{name}: {title}");
        let covered = match provider.signature.covers().body {
            BodyCoverage::None => "**not at all** signed",
            BodyCoverage::Partial => "signed **in part**",
            BodyCoverage::Weak => "signed, **weakly**",
            BodyCoverage::Full => "signed",
        };
        assert_eq!(body, covered, "{name}");
        assert_eq!(signature.contains("one key for all"), provider.key_owner == KeyOwner::Vendor, "{name}");
        assert_eq!(signature.matches("`variant = ").count(), provider.variants.len(), "{name}");
        if let Some(header) = provider.signature.header() {
            assert!(signature.to_lowercase().contains(header.as_str()), "{name}: {signature}");
        }
        assert_eq!(id == "none: not deduplicated", !provider.identity.has_id(), "{name}");
        assert_eq!(kind.contains("; many in"), provider.identity.is_batch(), "{name}");
        assert_eq!(handshake.is_empty(), provider.challenges.is_empty(), "{name}");
        let second_hand = if provider.unverified { "second-hand |" } else { "vendor |" };
        assert_eq!(evidence, second_hand, "{name}");
    }
}

#[test]
fn names_are_sorted_and_found() {
    assert!(names().is_sorted());
    assert!(provider("strpe").is_none());
}

/// Every provider that signs with a shared secret, with a verifier and an example of its own.
fn samples() -> impl Iterator<Item = (Provider, Verifier, Delivery)> {
    names().map(known).filter_map(|provider| {
        let secret = provider.signature.generate_secret()?;
        let verifier = provider.bind(&[secret], &options()).expect("a good secret");
        let sample = provider.sample(&verifier, "/webhooks/x", "evt_1", None, now())?;
        let delivery = sample.delivery().expect("a request").with_received_at(now());
        Some((provider, verifier, delivery))
    })
}

#[test]
fn every_provider_has_an_example() {
    let without: Vec<_> = names().filter(|name| known(name).example.is_none()).collect();
    assert_eq!(without, [""; 0]);
}

#[test]
fn what_is_signed_is_verified_and_nothing_else() {
    for (provider, verifier, good) in samples() {
        let name = &provider.name;
        assert_eq!(verifier.precheck(good.headers()), Ok(()), "{name}");
        assert_eq!(verifier.verify(&good).map(|it| it.secret_index()), Ok(Some(0)), "{name}");
        let stranger = bind(&provider);
        assert_eq!(stranger.verify(&good), Err(Rejection::SignatureMismatch), "{name}");
        let bare = Delivery::new(good.source().clone(), "").with_received_at(now());
        assert!(verifier.verify(&bare).is_err(), "{name}");
        if provider.signature.covers().body >= BodyCoverage::Weak {
            let other = good.body().iter().rev().copied().collect::<Vec<_>>();
            let other = Delivery::new(good.source().clone(), other)
                .with_uri("/webhooks/x".parse().expect("a path"))
                .with_headers(good.headers().clone())
                .with_received_at(now());
            assert!(verifier.verify(&other).is_err(), "{name}");
        }
    }
}

/// What is not among them would be stored with its event.
#[test]
fn without_its_credential_headers_nothing_is_signed() {
    for (provider, verifier, good) in samples() {
        let name = &provider.name;
        let mut headers = good.headers().clone();
        let removed: Vec<_> =
            provider.credential_headers.iter().filter_map(|it| headers.remove(it)).collect();
        // Where there are none, the signature stands in the URL or in the body.
        if removed.is_empty() {
            headers.clear();
        }
        let missing = verifier.verify(&good.with_headers(headers)).err() == Some(Rejection::SignatureMissing);
        assert_eq!(missing, !removed.is_empty(), "{name}");
    }
    for name in ["google-pubsub", "paypal", "plaid"] {
        assert!(!known(name).credential_headers.is_empty(), "{name}");
    }
}

/// A variant's too: the provider may send both signatures along.
#[test]
fn credential_headers_are_those_of_all_schemes() {
    for provider in [known("github"), known("github").with_variant("sha1").expect("a variant")] {
        let names: Vec<_> = provider.credential_headers.iter().map(|it| it.as_str()).collect();
        assert_eq!(names, ["x-hub-signature", "x-hub-signature-256"]);
    }
}

#[test]
fn examples_are_what_they_say() {
    for (provider, _, sample) in samples() {
        let name = &provider.name;
        let parts = provider.identity.identify(&sample).unwrap_or_else(|flaw| panic!("{name}: {flaw}"));
        let [part] = parts.as_slice() else { panic!("{name}: {} events", parts.len()) };
        let example = provider.example.as_ref().expect("an example");
        assert_eq!(part.event_type, example.event, "{name}");
        assert_eq!(part.id.is_some(), provider.identity.has_id(), "{name}");
        let known = provider.events.is_empty() || provider.knows(&example.event);
        assert!(known, "{name}: its example is of an event that its list lacks");
        assert!(provider.events.is_sorted(), "{name}");
    }
}

#[test]
fn what_is_listed_is_known() {
    for (name, event, known_there) in [
        ("stripe", "charge.failed", true),
        ("stripe", "v2.core.account.created", true),
        ("stripe", "charge.failedd", false),
        ("github", "issues.opened", true),
        ("github", "repository_dispatch.of-my-own", true),
        ("github", "isues.opened", false),
        ("gocardless", "payments.confirmed", true),
        ("slack", "/deploy", true),
        ("slack", "app_mention", true),
        ("slack", "app_mentions", false),
    ] {
        assert_eq!(known(name).knows(event), known_there, "{name} {event}");
    }
}

#[test]
fn any_of_several_secrets_may_match() {
    let provider = known("github");
    let secrets = ["first", "second"].map(Secret::new);
    let both = provider.bind(&secrets, &options()).expect("good secrets");
    let second = provider.bind(&secrets[1..], &options()).expect("a good secret");
    assert_eq!(both.verify(&signed(&second, "{}", |_| {})), Ok(Verified::by_secret(1)));
}

#[test]
fn public_key_as_hmac() {
    for name in names() {
        if known(name).signature.generate_secret().is_none() {
            continue;
        }
        for secret in ["whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=", "", " ", "${SECRET}", "changeme"]
        {
            let problems = known(name).bind(&[Secret::new(secret)], &options()).err();
            let index = problems.map(|it| it.iter().map(|it: &SecretProblem| it.secret_index).collect());
            assert_eq!(index, Some(vec![Some(0)]), "{name} {secret}");
        }
    }
}

#[test]
fn github_sha1_downgrade() {
    let provider = known("github");
    let secret = [Secret::new("topsecret")];
    let old = provider.with_variant("sha1").expect("a variant").bind(&secret, &options()).expect("bound");
    let only_old = signed(&old, "{}", |_| {});
    let verifier = provider.bind(&secret, &options()).expect("bound");
    assert_eq!(verifier.verify(&only_old), Err(Rejection::SignatureMissing));
    assert!(old.verify(&only_old).is_ok());
}

#[test]
fn gitlab_token_downgrade() {
    let provider = known("gitlab");
    let verifier = bind(&provider);
    let mut headers = HeaderMap::new();
    set(&mut headers, "x-gitlab-token", "topsecret");
    let with_token = delivery("{}").with_headers(headers);
    assert_eq!(verifier.verify(&with_token), Err(Rejection::SignatureMissing));
    let token = provider.with_variant("token").expect("a variant");
    let verifier = token.bind(&[Secret::new("topsecret")], &options()).expect("bound");
    assert!(verifier.verify(&with_token).is_ok());
    assert!(!token.identity.id_is_signed() && provider.identity.id_is_signed());
}

#[test]
fn duplicate_single_headers() {
    for (name, header) in [
        ("slack", "x-slack-request-timestamp"),
        ("slack", "x-slack-signature"),
        ("standard-webhooks", "webhook-id"),
        ("standard-webhooks", "webhook-timestamp"),
        ("github", "x-github-delivery"),
        ("github", "x-github-event"),
        ("gitlab", "x-gitlab-event"),
        ("hmac", "x-idempotency-key"),
    ] {
        let provider = known(name);
        let verifier = bind(&provider);
        let judge = |delivery: &Delivery| {
            provider.identity.check_headers(delivery.headers())?;
            verifier.precheck(delivery.headers())?;
            verifier.verify(delivery)
        };
        let header = HeaderName::from_static(header);
        let value =
            |headers: &HeaderMap| headers.get(&header).cloned().unwrap_or(HeaderValue::from_static("x"));
        let twice = signed(&verifier, "{}", |headers| {
            let value = value(headers);
            headers.insert(header.clone(), value.clone());
            headers.append(header.clone(), value);
        });
        assert_eq!(judge(&twice), Err(Rejection::HeaderRepeated), "{name} {header}");
        if header.as_str().contains("signature") {
            continue;
        }
        let joined = signed(&verifier, "{}", |headers| {
            let value = value(headers).to_str().map(|it| format!("{it}, {it}")).expect("text");
            headers.insert(header.clone(), value.parse().expect("a value"));
        });
        assert_eq!(judge(&joined), Err(Rejection::HeaderRepeated), "{name} {header}");
    }
}

#[test]
fn timestamp_grammar() {
    let verifier = bind(&known("slack"));
    for wrong in ["", "+1", " 1", "01", "1e9", "１", "-9223372036854775808", &"1".repeat(400)] {
        let bad = signed(&verifier, "{}", |headers| set(headers, "x-slack-request-timestamp", wrong));
        assert_eq!(verifier.verify(&bad), Err(Rejection::TimestampMalformed), "{wrong}");
    }
}

#[test]
fn a_wrong_clock_and_a_wrong_secret_are_told_apart() {
    let verifier = bind(&known("stripe"));
    let good = signed(&verifier, "{}", |_| {});
    let headers = || good.headers().clone();
    let late = delivery("{}").with_headers(headers()).with_received_at(now() + Duration::from_secs(600));
    assert_eq!(verifier.verify(&late), Err(Rejection::Expired { age: Duration::from_secs(600) }));
    let early = delivery("{}").with_headers(headers()).with_received_at(now() - Duration::from_secs(600));
    assert_eq!(verifier.verify(&early), Err(Rejection::FromTheFuture { ahead: Duration::from_secs(600) }));
    let forged = delivery("[]").with_headers(headers()).with_received_at(now() + Duration::from_secs(600));
    assert_eq!(verifier.verify(&forged), Err(Rejection::SignatureMismatch));
}

#[test]
fn signature_bomb() {
    let verifier = bind(&known("stripe"));
    let bomb = signed(&verifier, "{}", |headers| {
        let good = headers["stripe-signature"].to_str().expect("text").replace("t=1700000000,", "");
        let junk = format!("v1={},", "00".repeat(32)).repeat(16);
        set(headers, "stripe-signature", &format!("t=1700000000,{junk}{good}"));
    });
    // The seventeenth signature is right, but nobody looks at it.
    assert_eq!(verifier.verify(&bomb), Err(Rejection::SignatureMismatch));
}

#[test]
fn non_utf8_everywhere() {
    const JUNK: [&[u8]; 7] = [b"\xff\xfe\x80", b"", b"=", b",", b"t=,v1=", b"v1,", b"\xc3\xa9 x"];
    for (provider, verifier, good) in samples() {
        let name = &provider.name;
        let signing = verifier.sign(&good, now(), "evt_1").unwrap_or_default();
        for header in signing.keys() {
            for junk in JUNK {
                let mut headers = good.headers().clone();
                headers.insert(header, HeaderValue::from_bytes(junk).expect("a value"));
                let odd = Delivery::new(good.source().clone(), good.body().clone())
                    .with_uri(good.path_and_query().parse().expect("a path"))
                    .with_headers(headers)
                    .with_received_at(now());
                let _ = (verifier.precheck(odd.headers()), provider.identity.identify(&odd));
                let accepted = verifier.verify(&odd).is_ok();
                let unsigned_id = provider.identity.id_header() == Some(header);
                assert!(!accepted || unsigned_id, "{name} {header} {junk:?}");
            }
        }
    }
}

#[test]
fn host_header_ignored() {
    let secret = [Secret::new("12345")];
    let here = known("twilio").bind(&secret, &options()).expect("bound");
    let elsewhere = BindOptions { public_url: Some("https://other.example".to_owned()), tolerance: None };
    let elsewhere = known("twilio").bind(&secret, &elsewhere).expect("bound");
    let good = signed(&here, "", |headers| {
        set(headers, "host", "example.com");
        set(headers, "x-forwarded-host", "example.com");
    });
    assert!(here.verify(&good).is_ok());
    assert_eq!(elsewhere.verify(&good), Err(Rejection::SignatureMismatch));
    assert!(known("twilio").bind(&secret, &BindOptions::default()).is_err(), "it needs a public URL");
}

fn identify(name: &str, headers: &[(&'static str, &str)], body: &str) -> Result<Vec<Part>, Malformed> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        set(&mut map, name, value);
    }
    known(name).identity.identify(&delivery(body).with_headers(map)).map(SmallVec::into_vec)
}

fn one(name: &str, headers: &[(&'static str, &str)], body: &str) -> (Option<String>, String, String) {
    let mut parts = identify(name, headers, body).expect("an event");
    assert_eq!(parts.len(), 1);
    let part = parts.remove(0);
    (part.id, part.event_type, String::from_utf8_lossy(&part.payload).into_owned())
}

#[test]
fn stripe_events() {
    let body = r#"{"id":"evt_1","type":"charge.failed","data":{"object":{"id":"ch_1"}}}"#;
    let expected = (Some("evt_1".to_owned()), "charge.failed".to_owned(), r#"{"id":"ch_1"}"#.to_owned());
    assert_eq!(one("stripe", &[], body), expected);
    let delivery = delivery(body);
    let part = known("stripe").identity.identify(&delivery).expect("an event").remove(0);
    assert!(delivery.body().as_ptr_range().contains(&part.payload.as_ptr()), "a range, not a copy");
}

#[test]
fn degenerate_ids() {
    let id = |id: &str| {
        let parts = identify("stripe", &[], &format!(r#"{{"id":{id},"type":"x","data":{{"object":1}}}}"#))?;
        Ok(parts.into_iter().next().and_then(|it| it.id))
    };
    assert_eq!(id("1"), id("\"1\""));
    assert_eq!(id("\"\\u0031\""), Ok(Some("1".to_owned())));
    for unusable in ["\"\"", "null", "{}", "[]", "true", &format!("\"{}\"", "x".repeat(10_240))] {
        assert_eq!(id(unusable), Err(Malformed::IdUnusable), "{unusable}");
    }
    assert_eq!(identify("stripe", &[], r#"{"type":"x","data":{"object":1}}"#), Err(Malformed::IdMissing));
    let twice = r#"{"id":"a","id":"b","type":"x","data":{"object":1}}"#;
    assert_eq!(identify("stripe", &[], twice), Err(Malformed::DuplicateKey));
}

#[test]
fn id_header_stripped() {
    assert_eq!(identify("github", &[("x-github-event", "push")], "{}"), Err(Malformed::IdMissing));
    assert_eq!(one("hmac", &[], r#"{"type":"a"}"#).0, None);
}

#[test]
fn github_types_are_header_and_action() {
    let headers = [("x-github-delivery", "1"), ("x-github-event", "issues")];
    assert_eq!(one("github", &headers, r#"{"action":"opened"}"#).1, "issues.opened");
    assert_eq!(one("github", &headers, r#"{"action":null}"#).1, "issues");
    let form = [headers[0], headers[1], ("content-type", "application/x-www-form-urlencoded")];
    let (_, kind, payload) = one("github", &form, "payload=%7B%22action%22%3A%22closed%22%7D");
    assert_eq!((kind.as_str(), payload.as_str()), ("issues.closed", r#"{"action":"closed"}"#));
    assert_eq!(identify("github", &headers, "payload=1"), Err(Malformed::Body));
}

#[test]
fn type_mismatch() {
    let kind = |header, body| {
        let parts = identify("gitlab", &[("webhook-id", "1"), ("x-gitlab-event", header)], body)?;
        Ok(parts.into_iter().next().map(|it| it.event_type).unwrap_or_default())
    };
    assert_eq!(kind("Push Hook", r#"{"object_kind":"issue"}"#), Err(Malformed::TypeMismatch));
    assert_eq!(kind("Push Hook", r#"{"object_kind":"push"}"#), Ok("Push Hook".to_owned()));
    assert_eq!(
        kind("System Hook", r#"{"object_kind":"push"}"#),
        Ok("push".to_owned()),
        "the body's word counts"
    );
    assert_eq!(kind("Member Hook", "{}"), Ok("Member Hook".to_owned()));
}

#[test]
fn slack_speaks_json_and_forms() {
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let event = r#"{"event_id":"Ev1","type":"event_callback","event":{"type":"app_mention"}}"#;
    assert_eq!(one("slack", &[], event).1, "app_mention");
    let (id, kind, payload) = one("slack", &form, "command=%2Fweather&text=x&trigger_id=7");
    assert_eq!((id.as_deref(), kind.as_str()), (Some("7"), "/weather"));
    assert_eq!(payload, r#"{"command":"/weather","text":"x","trigger_id":"7"}"#);
}

#[test]
fn slack_challenges() {
    let slack = known("slack");
    let secrets = [Secret::new("topsecret")];
    let handshake = slack.handshake(&secrets, None);
    let stage = Stage::Verified { secret_index: Some(0) };
    let verification = delivery(r#"{"type":"url_verification","token":"t","challenge":"abc_123"}"#);
    let reply = handshake.answer(&verification, stage).expect("a challenge").expect("an answer");
    assert_eq!(reply.body, r#"{"challenge":"abc_123"}"#);
    assert!(handshake.answer(&verification, Stage::BeforeVerification).is_none(), "only when signed");
    let odd = delivery(r#"{"type":"url_verification","challenge":"\"<script>"}"#);
    assert!(matches!(handshake.answer(&odd, stage), Some(Err(Malformed::Challenge))));
    let event = delivery(r#"{"type":"event_callback","challenge":"abc"}"#);
    assert!(handshake.answer(&event, stage).is_none(), "challenge_does_not_shadow");
    let mut headers = HeaderMap::new();
    set(&mut headers, "content-type", "application/x-www-form-urlencoded");
    let check = delivery("ssl_check=1&token=t").with_headers(headers);
    assert!(handshake.answer(&check, stage).is_some_and(|it| it.is_ok_and(|it| it.body.is_empty())));
}

#[test]
fn compatible_schemes_are_known() {
    let signature = |name: &str| known(name).signature;
    assert!(signature("gitlab").compatible_with(&signature("standard-webhooks")));
    assert!(signature("hmac").compatible_with(&signature("github")));
    assert!(!signature("stripe").compatible_with(&signature("slack")));
}
