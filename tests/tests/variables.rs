//! Settings in the environment: which keys they mean, and what is said of mistakes.

use support::http::Request;
use support::receiver::{Receiver, folder};
use support::sign;

const FILE: &str = "[webhooks.sources.hmac]\nsecret = \"in the file\"\n";

#[tokio::test]
async fn the_environment_has_the_last_word() {
    let overlay = "[webhooks.sources.hmac]\nsecret = \"in production\"";
    let folder = folder(&[("webhooks.toml", FILE), ("webhooks.production.toml", overlay)]);
    let variables = [
        ("WEBHOOKS_PROFILE", "production"),
        // What looks like a number stays the text that it is.
        ("WEBHOOKS_SOURCES__HMAC__SECRET", "0012"),
        ("WEBHOOKS_HTTP__PATH", "/hooks"),
        ("WEBHOOKS_IDEMPOTENCY__TTL_SECONDS", "3600"),
        ("WEBHOOKS_IDEMPOTENCY__LEASE", "10s"),
    ];
    let receiver = Receiver::start(folder.path(), &variables);
    assert_eq!(receiver.takes("0012", "/hooks/hmac").await, 200);
    assert_eq!(receiver.takes("12", "/hooks/hmac").await, 401);
}

#[tokio::test]
async fn a_source_can_be_made_of_variables_alone() {
    let folder = folder(&[]);
    let variables = [
        ("WEBHOOKS_SOURCES__BILLING__PROVIDER", "hmac"),
        ("WEBHOOKS_SOURCES__BILLING__SECRETS", r#"["old", "new"]"#),
    ];
    let receiver = Receiver::start(folder.path(), &variables);
    assert_eq!(receiver.takes("old", "/webhooks/billing").await, 200);
    assert_eq!(receiver.takes("new", "/webhooks/billing").await, 200);
}

#[tokio::test]
async fn a_variable_finds_the_source_whose_name_has_hyphens() {
    let file = "[webhooks.sources.partner-eu]\nprovider = \"hmac\"\n\n\
                [webhooks.sources.partner_us]\nprovider = \"hmac\"\n";
    let folder = folder(&[("webhooks.toml", file)]);
    let variables = [
        ("WEBHOOKS_SOURCES__PARTNER_EU__SECRET", "of the file's"),
        ("WEBHOOKS_SOURCES__PARTNER_US__SECRET", "of the other"),
        ("WEBHOOKS_SOURCES__LEMON_SQUEEZY__SECRET", "of the catalogue's"),
    ];
    let receiver = Receiver::start(folder.path(), &variables);
    assert_eq!(receiver.takes("of the file's", "/webhooks/partner-eu").await, 200);
    assert_eq!(receiver.takes("of the other", "/webhooks/partner_us").await, 200);
    let unsigned = Request::post("/webhooks/lemon-squeezy").send(receiver.address).await.expect("an answer");
    assert_eq!(unsigned.status, 401, "it is there");
}

/// A variable's name has no hyphens and no small letters: it means the key that the file has.
#[tokio::test]
async fn a_variable_means_the_key_as_it_is_written() {
    let file = "[webhooks.sources.stripe-eu]\nprovider = \"hmac\"\n\
                [webhooks.sources.stripe-eu.expect]\nX-Topic = \"in the file\"\n\
                [webhooks.idempotency]\nttl-seconds = 0";
    let folder = folder(&[("webhooks.toml", file)]);
    let variables = [
        ("WEBHOOKS_SOURCES__STRIPE_EU__SECRET", "hush"),
        ("WEBHOOKS_SOURCES__STRIPE_EU__EXPECT__X_TOPIC", "ours"),
        ("WEBHOOKS_IDEMPOTENCY__TTL_SECONDS", "60"),
    ];
    let receiver = Receiver::start(folder.path(), &variables);
    assert_eq!(with_topic(&receiver, "/webhooks/stripe-eu", "ours").await, 200);
    assert_eq!(with_topic(&receiver, "/webhooks/stripe-eu", "in the file").await, 401);
}

#[test]
fn a_mistake_names_the_file_or_the_variable_that_it_stands_in() {
    let file = "[webhooks.sources.hmac]\nsecret = \"a\"\ntolerance_seconds = \"5m\"";
    let folder = folder(&[("webhooks.toml", file)]);
    let variables = [
        ("WEBHOOKS_IDEMPOTENCY__LEASE", "canary-1"),
        ("WEBHOOKS_MAX_IN_FLIGHT", "canary-2"),
        ("WEBHOOKS_SOURCES__STRIPE__SECRET", ""),
        ("WEBHOOKS_ENABLED", "canary-3"),
    ];
    let refusal = Receiver::refusal(folder.path(), &variables);
    let report = r#"webhooks cannot start: 5 problems

 1. `webhooks.sources.hmac.tolerance_seconds` in webhooks.toml: this string cannot be read
    help: write a whole number, 0 or more
 2. the environment variable WEBHOOKS_ENABLED: this string cannot be read
    help: write true or false
 3. the environment variable WEBHOOKS_IDEMPOTENCY__LEASE: this string cannot be read
    help: write a duration such as "30s", "5m" or "12h"
 4. the environment variable WEBHOOKS_MAX_IN_FLIGHT: this string cannot be read
    help: write a whole number, 0 or more
 5. the environment variable WEBHOOKS_SOURCES__STRIPE__SECRET: is set, but empty
    help: unset it, or set it to the secret"#;
    assert!(refusal.ends_with(report), "{refusal}");
    assert!(!refusal.contains("canary"), "no value is told: {refusal}");
}

/// The variables that Kubernetes makes for a service named `webhooks`.
#[tokio::test]
async fn foreign_variables_are_only_warned_of() {
    let folder = folder(&[("webhooks.toml", FILE)]);
    let variables = [("WEBHOOKS_SERVICE_HOST", "10.0.0.1"), ("WEBHOOKS_PORT", "tcp://10.0.0.1:80")];
    let receiver = Receiver::start(folder.path(), &variables);
    assert_eq!(receiver.takes("in the file", "/webhooks/hmac").await, 200);
    let warning = "the environment variable WEBHOOKS_SERVICE_HOST: unknown key";
    receiver.process.stderr().line(|line| line.contains("WARN") && line.contains(warning)).await;
}

#[test]
fn a_variable_that_means_a_key_must_be_one() {
    let folder = folder(&[("webhooks.toml", FILE)]);
    let variables = [
        ("WEBHOOKS_IDEMPOTENCY__PROVDER", "redis"),
        ("WEBHOOKS_IDEMPTENCY__LEASE", "1s"),
        ("WEBHOOKS_SOURCES__HMAC__SECRT", "canary"),
    ];
    let refusal = Receiver::refusal(folder.path(), &variables);
    let report = "webhooks cannot start: 3 problems

 1. the environment variable WEBHOOKS_IDEMPOTENCY__PROVDER: unknown key
    help: did you mean `provider`?
 2. the environment variable WEBHOOKS_SOURCES__HMAC__SECRT: unknown key
    help: did you mean `secret`?
 3. the environment variables WEBHOOKS_IDEMPTENCY__…: unknown key
    help: did you mean `idempotency`?";
    assert!(refusal.ends_with(report), "{refusal}");
}

#[tokio::test]
async fn an_empty_variable_overrides_no_secret_silently() {
    let folder = folder(&[("webhooks.toml", FILE)]);
    let refusal = Receiver::refusal(folder.path(), &[("WEBHOOKS_SOURCES__HMAC__SECRET", "")]);
    assert!(refusal.contains("1 problem\n"), "{refusal}");
    let what = "the environment variable WEBHOOKS_SOURCES__HMAC__SECRET: is set, but empty";
    assert!(refusal.contains(what), "{refusal}");
}

/// Header names have hyphens, and variables have none.
#[tokio::test]
async fn a_variable_may_say_what_a_header_must_be() {
    let folder = folder(&[]);
    let variables = [
        ("WEBHOOKS_SOURCES__BILLING__PROVIDER", "hmac"),
        ("WEBHOOKS_SOURCES__BILLING__SECRET", "hush"),
        ("WEBHOOKS_SOURCES__BILLING__EXPECT__X_TOPIC", "ours"),
    ];
    let receiver = Receiver::start(folder.path(), &variables);
    assert_eq!(with_topic(&receiver, "/webhooks/billing", "ours").await, 200);
    assert_eq!(with_topic(&receiver, "/webhooks/billing", "theirs").await, 401);
}

/// What is answered to a signed event that says in a header what it is about.
async fn with_topic(receiver: &Receiver, path: &str, topic: &str) -> u16 {
    receiver.process.wait_until_listening(receiver.address);
    let body = br#"{"type":"test"}"#;
    let request = Request::post(path).headers(sign::hmac("hush", topic, body)).header("X-Topic", topic);
    request.body(body).send(receiver.address).await.expect("an answer").status
}
