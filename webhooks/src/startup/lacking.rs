//! What is said of settings that need a feature which the build lacks. A build that has it must say nothing of the kind;
//! CI runs this in builds that lack one or all.

use crate::listener::WebhookEventListener;
use crate::{Settings, WebhookEvent, Webhooks};

struct Silent;

impl WebhookEventListener for Silent {
    fn source(&self) -> &str {
        "*"
    }

    async fn handle(&self, _: &WebhookEvent) -> crate::Result {
        Ok(())
    }
}

/// The problems with these settings, as they are printed.
async fn told(settings: &str) -> Vec<String> {
    // Something to listen to, whatever else the settings are about.
    let settings = format!("sources.hmac.secret = \"hush\"\n{settings}");
    let settings: Settings = settings.parse().unwrap();
    match Webhooks::builder().settings(settings).listener(Silent).build().await {
        Ok(_) => Vec::new(),
        Err(error) => error.problems().iter().map(ToString::to_string).collect(),
    }
}

async fn check(has: bool, settings: &str, what: &str, help: &str) {
    let expected = format!("{what}\n    help: {help}");
    let told = told(settings).await;
    if has {
        assert!(!told.contains(&expected), "{told:#?}");
    } else {
        assert_eq!(told, [expected], "{settings}");
    }
}

fn in_cargo_toml(features: &str) -> String {
    format!("webhooks = {{ version = \"…\", features = [{features}] }}")
}

#[tokio::test]
async fn stores() {
    let redis = "idempotency = { provider = \"redis\", redis.url = \"redis://127.0.0.1:1\" }";
    let what = "`webhooks.idempotency.provider` is \"redis\", but this build has no support for it";
    let help = format!("in Cargo.toml: {}", in_cargo_toml("\"redis\""));
    check(cfg!(feature = "redis"), redis, what, &help).await;

    let with_tls = redis.replace("redis://", "rediss://");
    let what =
        "`webhooks.idempotency.redis.url` asks for TLS (rediss://), but this build has no support for it";
    let help = format!("in Cargo.toml: {}", in_cargo_toml("\"redis-tls\""));
    check(cfg!(any(feature = "redis-tls", not(feature = "redis"))), &with_tls, what, &help).await;
}

#[tokio::test]
async fn inboxes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("webhooks.db");
    let sqlite = format!("inbox = {{ provider = \"sqlite\", path = {path:?} }}");
    let postgres = "inbox = { provider = \"postgres\", url = \"postgres://u@127.0.0.1:1/d\" }";
    for (has, name, settings) in
        [(cfg!(feature = "sqlite"), "sqlite", &*sqlite), (cfg!(feature = "postgres"), "postgres", postgres)]
    {
        let what = format!("`webhooks.inbox.provider` is \"{name}\", but this build has no support for it");
        let help = format!("in Cargo.toml: {}", in_cargo_toml(&format!("\"{name}\"")));
        check(has, settings, &what, &help).await;
    }
}

#[tokio::test]
async fn algorithms() {
    let pem = "-----BEGIN PUBLIC KEY-----\\nAAAA\\n-----END PUBLIC KEY-----";
    let hex = "00".repeat(32);
    for (has, feature, algorithm, source, secret) in [
        (cfg!(feature = "ed25519"), "ed25519", "ed25519", "discord", hex.as_str()),
        (cfg!(feature = "p256"), "p256", "ecdsa-p256-sha256", "sendgrid", "AAAA"),
        (cfg!(feature = "rsa"), "rsa", "rsa-sha256", "wise", pem),
    ] {
        let settings = format!(
            "sources.{source} = {{ secret = \"{secret}\", expect = {{ \"$.data.resource.profile_id\" = \"1\" }} }}"
        );
        let place = format!("[webhooks.sources.{source}] in the settings given as text");
        let what = format!("{place}: this build cannot verify {algorithm} signatures");
        let help = format!("enable the feature `{feature}`: {}", in_cargo_toml(&format!("\"{feature}\"")));
        check(has, &settings, &what, &help).await;
    }
}

#[tokio::test]
async fn fetched_keys() {
    let sns = "sources.aws-sns.expect = { \"$.TopicArn\" = \"arn:aws:sns:eu-west-1:123456789012:orders\" }";
    let plaid = "sources.plaid.secret = \"client:secret\"";
    let (fetch, p256) = (cfg!(feature = "fetch"), cfg!(feature = "p256"));
    for (has, source, settings, help) in [
        (fetch, "aws-sns", sns, format!("enable the feature `fetch`: {}", in_cargo_toml("\"fetch\""))),
        (
            fetch && p256,
            "plaid",
            plaid,
            format!("enable the features `fetch` and `p256`: {}", in_cargo_toml("\"fetch\", \"p256\"")),
        ),
    ] {
        let place = format!("[webhooks.sources.{source}] in the settings given as text");
        let what = format!("{place}: this build cannot fetch the keys that this provider publishes");
        check(has, settings, &what, &help).await;
    }
}
