//! What no provider sends: doubled headers, strange numbers, bombs, bytes that are no text. Each is a rejection, never a
//! panic, never a 500.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request};
use support::inside::{Inside, Post, Recorder, reason, refusal};
use support::{described, sample, sign};
use webhooks::testing::{self, Client};
use webhooks::{
    Builder, GitHubSignatureValidator, HmacSignatureValidator, Outcome, Reply, StripeSignatureValidator,
    TwilioSignatureValidator, Webhooks,
};

/// The answer of the provider's scheme; a validator in code has the same.
async fn sent(provider: &str, post: Post) -> Reply {
    let inside = Inside::with(sample::sources(&[provider])).await;
    let reply = inside.send(post.clone()).await;
    assert!(inside.heard().is_empty(), "a listener ran: {}", reply.status);
    if let Some(builder) = judged_in_code(provider) {
        let inside = Inside::with(builder).await;
        assert_eq!(refusal(&inside.send(post).await), refusal(&reply), "judged in code");
        assert!(inside.heard().is_empty());
    }
    reply
}

/// The provider's source, judged by the validator of its name, if there is one.
fn judged_in_code(provider: &str) -> Option<Builder> {
    let builder = Webhooks::builder().source(provider, |source| source.validator("in code"));
    let secret = sample::secret(provider);
    Some(match provider {
        "github" => builder.validator("in code", GitHubSignatureValidator::new(secret)),
        "hmac" => builder.validator("in code", HmacSignatureValidator::new(secret)),
        "stripe" => builder.validator("in code", StripeSignatureValidator::new(secret)),
        "twilio" => {
            let validator = TwilioSignatureValidator::new(secret).with_public_url(sample::PUBLIC_URL);
            builder.validator("in code", validator)
        }
        _ => return None,
    })
}

#[track_caller]
fn assert_unauthorized(reply: &Reply, why: &str, case: &str) {
    assert_eq!(refusal(reply), format!("401 {why}"), "{case}");
}

// ---- duplicate_single_headers ------------------------------------------------------------------

/// Timestamps, ids and types that stand in a header of their own.
const SINGLE: [(&str, &str); 9] = [
    ("slack", "X-Slack-Request-Timestamp"),
    ("standard-webhooks", "webhook-timestamp"),
    ("standard-webhooks", "webhook-id"),
    ("github", "X-GitHub-Delivery"),
    ("github", "X-GitHub-Event"),
    ("gitlab", "X-Gitlab-Event"),
    ("shopify", "X-Shopify-Topic"),
    ("hmac", "X-Idempotency-Key"),
    ("twilio", "I-Twilio-Idempotency-Token"),
];

#[tokio::test]
async fn duplicate_single_headers() {
    for (provider, header) in SINGLE {
        let genuine = sample::of(provider, "evt_1");
        let value = genuine.value(header).to_owned();

        let repeated = sent(provider, genuine.clone().header(header, &value)).await;
        assert_unauthorized(&repeated, "header_repeated", &format!("{header} twice"));

        let joined = sent(provider, genuine.with(header, format!("{value}, {value}"))).await;
        assert_unauthorized(&joined, "header_repeated", &format!("{header} joined"));
    }
}

/// A client with a source for every provider.
async fn every_provider() -> (Client, Vec<String>) {
    let names: Vec<_> = webhooks::providers().map(|it| it.name().to_owned()).collect();
    let builder = Webhooks::builder().listener(Recorder::new("*"));
    let builder = names.iter().fold(builder, |builder, name| builder.source(name, |source| source));
    (testing::client(builder).await.unwrap_or_else(|error| panic!("{error}")), names)
}

/// A genuine request, and the headers that say who has sent what and when: those that the catalogue names, and whatever
/// is not there without a signature.
fn read_of(client: &Client, provider: &str) -> (Request<Bytes>, Vec<HeaderName>) {
    let sign = |delivery| client.sign(&delivery).unwrap_or_else(|error| panic!("{provider}: {error}"));
    let genuine = sign(testing::example(provider));
    let unsigned = sign(testing::example(provider).unsigned());
    let named = described::headers_read(provider);
    let is_read = |it: &&HeaderName| named.contains(it.as_str()) || !unsigned.headers().contains_key(*it);
    let read = genuine.headers().keys().filter(is_read).cloned().collect();
    (genuine, read)
}

/// The same with another value there.
fn with(request: &Request<Bytes>, header: &HeaderName, value: &[u8]) -> Request<Bytes> {
    let mut changed = request.clone();
    changed
        .headers_mut()
        .insert(header, HeaderValue::from_bytes(value).expect("bytes that a header can hold"));
    changed
}

/// Why it is not believed, however that is answered: some providers want a status of their own.
async fn rejection(client: &Client, request: Request<Bytes>) -> String {
    let report = client.send_request(request).await.expect("an answer");
    match report.outcome {
        Outcome::Rejected(why) => format!("{why:?}"),
        outcome => format!("none, but {outcome:?}"),
    }
}

/// What may come twice, for several keys may have signed: in a header each, or in one list.
const SEVERAL_SIGNATURES: [&str; 14] = [
    "bigcommerce webhook-signature joined",
    "circleci circleci-signature joined",
    "clerk svix-signature joined",
    "docusign x-docusign-signature-1 twice",
    "gitlab webhook-signature joined",
    "mollie x-mollie-signature twice",
    "openai webhook-signature joined",
    "paddle paddle-signature joined",
    "pagerduty x-pagerduty-signature joined",
    "persona persona-signature joined",
    "recurly recurly-signature joined",
    "resend svix-signature joined",
    "standard-webhooks webhook-signature joined",
    "svix svix-signature joined",
];

#[tokio::test]
async fn duplicate_single_headers_of_every_provider() {
    let (client, names) = every_provider().await;
    let (mut accepted, mut tried) = (Vec::new(), 0);
    for name in &names {
        let (genuine, read) = read_of(&client, name);
        let report = client.send_request(genuine.clone()).await.expect("an answer");
        assert_eq!(report.outcome, Outcome::Handled, "{name}");
        for header in &read {
            tried += 1;
            let value = genuine.headers()[header].clone();
            let mut repeated = genuine.clone();
            repeated.headers_mut().append(header, value.clone());
            match &*rejection(&client, repeated).await {
                "HeaderRepeated" => {}
                other => accepted.push(format!("{name} {header} twice: {other}")),
            }
            let joined = with(&genuine, header, &[value.as_bytes(), b", ", value.as_bytes()].concat());
            match &*rejection(&client, joined).await {
                why if !why.starts_with("none") => {}
                other => accepted.push(format!("{name} {header} joined: {other}")),
            }
        }
    }
    let expected = SEVERAL_SIGNATURES.map(|it| format!("{it}: none, but Duplicate"));
    assert_eq!(accepted, expected);
    assert!(tried > 100, "only {tried} headers");
}

#[tokio::test]
async fn duplicate_single_headers_of_unsigned_requests() {
    let open = Webhooks::builder().source("github", |source| source.validator("none"));
    let inside = Inside::with(open).await;
    let genuine = sample::of("github", "evt_1");
    for header in ["X-GitHub-Delivery", "X-GitHub-Event"] {
        let repeated = inside.send(genuine.clone().header(header, "another")).await;
        assert_unauthorized(&repeated, "header_repeated", header);
    }
    assert_eq!(inside.send(genuine).await.status, 200);
    assert_eq!(inside.heard().len(), 1);
}

#[tokio::test]
async fn a_signature_header_that_is_no_list_comes_once() {
    for (provider, header) in [
        ("stripe", "Stripe-Signature"),
        ("github", "X-Hub-Signature-256"),
        ("slack", "X-Slack-Signature"),
        ("twilio", "X-Twilio-Signature"),
    ] {
        let genuine = sample::of(provider, "evt_1");
        let value = genuine.value(header).to_owned();
        let repeated = sent(provider, genuine.header(header, value)).await;
        assert_unauthorized(&repeated, "header_repeated", header);
    }
}

#[tokio::test]
async fn two_timestamps_in_one_list_are_refused() {
    let genuine = sample::of("stripe", "evt_1");
    let doubled = format!("t=1,{}", genuine.value("stripe-signature"));
    let reply = sent("stripe", genuine.with("stripe-signature", doubled)).await;
    assert_unauthorized(&reply, "header_repeated", "t=…,t=…");
}

// ---- timestamp_grammar -------------------------------------------------------------------------

#[tokio::test]
async fn timestamp_grammar() {
    let now = sign::now_unix().to_string();
    let long = "1".repeat(400);
    let full_width: String =
        now.chars().map(|digit| char::from_u32(digit as u32 + 0xFEE0).expect("a digit")).collect();
    let disguises = [
        format!("+{now}"),
        format!(" {now}"),
        format!("{now} "),
        format!("0{now}"),
        format!("{now}.0"),
        format!("-{now}"),
        "1e9".to_owned(),
        "0x1".to_owned(),
        String::new(),
        i64::MIN.to_string(),
        u64::MAX.to_string(),
        long,
        full_width,
    ];
    let body = sample::slack_body("Ev1");
    for text in &disguises {
        // The text is signed as it stands: only its grammar is wrong.
        let headers = sign::slack_text(sample::secret("slack"), text.as_bytes(), body.as_bytes());
        let post =
            headers.into_iter().fold(Post::to("slack"), |post, (name, value)| post.header(name, value));

        let reply = sent("slack", post.body(&body)).await;

        assert_unauthorized(&reply, "timestamp_malformed", text);
    }
}

#[tokio::test]
async fn timestamp_grammar_in_a_list() {
    let body = sample::stripe_body("evt_1");
    for text in ["+1", " 1", "01", "1e9", "-9223372036854775808", ""] {
        let header = sign::stripe_text(sample::secret("stripe"), text, body.as_bytes());
        let reply = sent("stripe", Post::to("stripe").header("Stripe-Signature", header).body(&body)).await;
        assert_unauthorized(&reply, "timestamp_malformed", text);
    }
}

// ---- content_encoding_refused --------------------------------------------------------------------

#[tokio::test]
async fn content_encoding_refused() {
    for encoding in ["gzip", "deflate", "br", "identity, gzip", "x", "\u{ff}"] {
        let packed = sample::of("stripe", "evt_1").header("Content-Encoding", encoding);
        let reply = sent("stripe", packed).await;
        assert_eq!(refusal(&reply), "415 content_encoding", "{encoding}");
    }
}

#[tokio::test]
async fn content_encoding_refused_behind_another() {
    let packed = sample::of("stripe", "evt_1")
        .header("Content-Encoding", "identity")
        .header("Content-Encoding", "gzip");
    assert_eq!(sent("stripe", packed).await.status, 415);
}

#[tokio::test]
async fn identity_is_no_encoding() {
    let inside = Inside::with(sample::sources(&["stripe"])).await;
    let plain = sample::of("stripe", "evt_1").header("Content-Encoding", "Identity");
    assert_eq!(inside.send(plain).await.status, 200);
}

// ---- signature_bomb ------------------------------------------------------------------------------

/// A right signature behind `before` wrong ones.
fn behind(before: usize) -> Post {
    let genuine = sample::of("stripe", "evt_1");
    let (time, mac) = genuine.value("stripe-signature").split_once(',').expect("t and v1");
    let wrong = format!("v1={},", "0".repeat(64)).repeat(before);
    let list = format!("{time},{wrong}{mac}");
    genuine.with("stripe-signature", list)
}

#[tokio::test]
async fn signature_bomb() {
    for wrong in [16, 10_000] {
        let reply = sent("stripe", behind(wrong)).await;
        assert_unauthorized(&reply, "signature_mismatch", &format!("behind {wrong}"));
    }
}

#[tokio::test]
async fn the_sixteenth_signature_still_counts() {
    let inside = Inside::with(sample::sources(&["stripe"])).await;
    assert_eq!(inside.send(behind(15)).await.status, 200);
}

// ---- non_utf8_everywhere -------------------------------------------------------------------------

/// Every header that is read before an event is believed.
const READ: [(&str, &str); 16] = [
    ("stripe", "Stripe-Signature"),
    ("github", "X-Hub-Signature-256"),
    ("github", "X-GitHub-Delivery"),
    ("github", "X-GitHub-Event"),
    ("standard-webhooks", "webhook-id"),
    ("standard-webhooks", "webhook-timestamp"),
    ("standard-webhooks", "webhook-signature"),
    ("slack", "X-Slack-Request-Timestamp"),
    ("slack", "X-Slack-Signature"),
    ("shopify", "X-Shopify-Hmac-Sha256"),
    ("shopify", "X-Shopify-Topic"),
    ("gitlab", "X-Gitlab-Event"),
    ("hmac", "X-Signature"),
    ("hmac", "X-Idempotency-Key"),
    ("twilio", "X-Twilio-Signature"),
    ("twilio", "I-Twilio-Idempotency-Token"),
];

#[tokio::test]
async fn non_utf8_everywhere() {
    let all: Vec<u8> = (0x20..=0x7e).chain(0x80..=0xff).collect();
    let long = [0xff; 8_192];
    for (provider, header) in READ {
        let genuine = sample::of(provider, "evt_1");
        let behind_the_genuine = [genuine.value(header).as_bytes(), b"\xff"].concat();
        for bytes in [&all[..], &long, b"\x80", b"\xc3\x28", b"sha256=\xf0\x9f", &behind_the_genuine] {
            let reply = sent(provider, genuine.clone().with(header, bytes)).await;
            assert_eq!(reply.status, 401, "{header}: {bytes:?}: {}", reason(&reply));
        }
    }
}

#[tokio::test]
async fn non_utf8_everywhere_of_every_provider() {
    let (client, names) = every_provider().await;
    let mut wrong = Vec::new();
    for name in &names {
        let (genuine, read) = read_of(&client, name);
        for header in read {
            let behind_the_genuine = [genuine.headers()[&header].as_bytes(), b"\xff"].concat();
            for bytes in [&[0xff; 8_192][..], b"\x80", b"sha256=\xf0\x9f", &behind_the_genuine] {
                let why = rejection(&client, with(&genuine, &header, bytes)).await;
                if why.starts_with("none") {
                    wrong.push(format!("{name}: {header} of {} bytes: {why}", bytes.len()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn a_body_need_not_be_text_to_be_judged() {
    let body = b"\xff\x80\x00";
    let headers = sign::stripe(sample::secret("stripe"), sign::now_unix(), body);
    let signed = Post::to("stripe").headers(headers).body(body);

    // Believed, since truly signed; but no event.
    let reply = sent("stripe", signed.clone()).await;
    assert_eq!(refusal(&reply), "400 body_malformed");

    let forged = sent("stripe", signed.body(b"\xff\x80\x01")).await;
    assert_unauthorized(&forged, "signature_mismatch", "one bit");
}
