//! Canaries as secrets of every source, through every path that fails: none of them is ever told.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::Method;
use serde_json::Value;
use support::fleet::ProbeOptions;
use support::inbox::{InboxFolder, settled};
use support::inside::{Inside, Post, Recorder};
use support::log::Log;
use support::metrics::Metrics;
use support::process::{PATIENCE, Program};
use support::redis_server::RedisServer;
use support::{described, free_port, sample};
use webhooks::{
    Builder, Failure, KeyFetcher, RedisWebhookEventStore, Settings, WebhookEvent, Webhooks, testing,
};

/// All that was said by whatever could say something.
#[derive(Default)]
struct Said(String);

impl Said {
    fn hear(&mut self, text: impl std::fmt::Display) {
        self.0.push_str(&text.to_string());
        self.0.push('\n');
    }

    fn hear_debug(&mut self, value: impl std::fmt::Debug) {
        self.hear(format_args!("{value:?}\n{value:#?}"));
    }

    fn mentions(&self, text: &str) -> bool {
        self.0.contains(text)
    }

    /// No secret, nor what it is made of, however it is written.
    #[track_caller]
    fn assert_silent_about(&self, secret: &str) {
        for text in &written(secret) {
            let line = || self.0.lines().find(|line| line.contains(text)).unwrap_or_default();
            assert!(!self.mentions(text), "{secret} is told as {text}: {}", line());
        }
        assert!(!self.mentions("canary-of-"), "a part of a secret is told");
    }
}

/// A text in all forms that it might be told in.
fn written(text: &str) -> Vec<String> {
    let bytes = text.as_bytes();
    let forms = [
        text.to_owned(),
        hex::encode(bytes),
        STANDARD.encode(bytes),
        URL_SAFE_NO_PAD.encode(bytes),
        format!("{bytes:?}"),
    ];
    forms.iter().map(|it| it.trim_end_matches('=').to_owned()).collect()
}

thread_local! {
    static PANICS: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Has what this thread's panics print noted, instead of printed.
fn note_panics() {
    static HOOKED: Once = Once::new();
    HOOKED.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let noted = PANICS.with_borrow_mut(|noted| {
                noted.as_mut().map(|text| text.push_str(&format!("{panic}\n"))).is_some()
            });
            if !noted {
                usual(panic);
            }
        }));
    });
    PANICS.set(Some(String::new()));
}

/// What anyone would recognise as the secret of this provider, in the forms that secrets are written in.
fn canaries(provider: &str) -> Vec<String> {
    let text = format!("canary-of-{provider}-0123456789abcdef");
    let (hex, base64) = (hex::encode(&text), STANDARD.encode(&text));
    vec![
        text.clone(),
        hex.clone(),
        base64.clone(),
        format!("whsec_{base64}"),
        format!("id:{text}"),
        format!("id:{hex}"),
    ]
}

/// Nobody has keys to give away.
struct NoKeys;

impl KeyFetcher for NoKeys {
    async fn fetch(&self, url: &str) -> io::Result<Bytes> {
        Err(io::Error::other(format!("nobody gets {url}")))
    }

    async fn post_json(&self, url: &str, _: Bytes) -> io::Result<Bytes> {
        Err(io::Error::other(format!("nobody gets {url}")))
    }
}

fn with_secret(builder: Builder, provider: &str, secret: &str) -> Builder {
    builder.source(provider, |it| it.secret(secret).public_url(sample::PUBLIC_URL)).key_fetcher(NoKeys)
}

/// A canary for each provider that has a secret. What the others say of theirs is heard.
async fn secrets(said: &mut Said) -> BTreeMap<String, String> {
    let mut secrets = BTreeMap::new();
    for provider in webhooks::providers() {
        for canary in canaries(provider.name()) {
            let builder = with_secret(Webhooks::builder(), provider.name(), &canary);
            match builder.listener(Recorder::new("*")).build().await {
                Ok(_) => {
                    secrets.insert(provider.name().to_owned(), canary);
                    break;
                }
                Err(error) => {
                    said.hear(&error);
                    said.hear_debug(&error);
                }
            }
        }
    }
    secrets
}

/// A request of every kind that can fail, and some that carry the secret where it does not belong, or does.
fn requests(provider: &str, secret: &str) -> Vec<Post> {
    let mut requests = Vec::new();
    let scheme = described::schemes().into_iter().find(|it| it.label() == provider);
    if let Some(scheme) = &scheme {
        for id in ["1", "2", "3", "4", "5"] {
            requests.push(scheme.post(provider, secret, id, format!(r#"{{"id":"{id}","type":"a"}}"#)));
        }
        requests.push(scheme.post(provider, secret, "6", "no JSON"));
        requests.push(scheme.post(provider, secret, "7", "{}").body("{}forged"));
        let plain = scheme.post(provider, secret, "8", "{}");
        requests.push(plain.header("X-Hub-Signature-256", secret).header("Stripe-Signature", secret));
    }
    let basic = STANDARD.encode(format!("user:{secret}"));
    let bare = |method: Method| {
        Post::to(provider).method(method).target(&format!(
            "/webhooks/{provider}?access_token={0}&hub.verify_token={0}",
            hex::encode(secret)
        ))
    };
    requests.push(bare(Method::GET));
    requests.push(bare(Method::PUT));
    requests.push(bare(Method::POST).header("Content-Encoding", secret));
    for header in
        ["Authorization", "X-Gitlab-Token", "X-Telegram-Bot-Api-Secret-Token", "X-Hook-Secret", "Cookie"]
    {
        for value in [
            secret.to_owned(),
            format!("Bearer {secret}"),
            format!("Basic {basic}"),
            format!("t=1,v1={secret}"),
        ] {
            requests.push(bare(Method::POST).header(header, value).body(secret));
        }
    }
    requests.push(Post::at(&format!("/webhooks/{}", hex::encode(secret))).body(secret));
    requests
}

/// Fails in each way there is, and tells what it was given.
fn fails_in_turn(event: &WebhookEvent) -> webhooks::Result {
    static TURN: AtomicUsize = AtomicUsize::new(0);
    match TURN.fetch_add(1, Ordering::Relaxed) % 4 {
        0 => panic!("with {event:?}"),
        1 => Err(format!("with {event:#?}").into()),
        2 => Err(Failure::permanent(format!("for good, with {event:?}"))),
        _ => Ok(()),
    }
}

/// Sends all of it, and returns the providers' secrets.
async fn drive(builder: Builder) -> BTreeMap<String, String> {
    note_panics();
    let (log, metrics, mut said) = (Log::capture(), Metrics::collect(), Said::default());
    let secrets = secrets(&mut said).await;
    assert!(secrets.len() >= 60, "only {} of the catalogue's providers have a secret", secrets.len());
    let builder = secrets.iter().fold(builder, |builder, (name, secret)| with_secret(builder, name, secret));
    said.hear_debug(&builder);
    let inside = Inside::answering(builder, fails_in_turn).await;

    for (provider, secret) in &secrets {
        for request in requests(provider, secret) {
            said.hear_debug(inside.send(request).await);
        }
    }
    // As the provider would send it: with the secret itself, where that is what it sends.
    let mut genuine = 0;
    for (provider, secret) in &secrets {
        let example = testing::example(provider).public_url(sample::PUBLIC_URL).signed_with(&**secret);
        let Ok(request) = example.into_request() else { continue };
        let reply = inside.webhooks.process(request).await;
        genuine += usize::from(reply.status.is_success());
        said.hear_debug(reply);
    }
    assert!(genuine >= 60, "only {genuine} were taken for genuine");
    if let Some(inbox) = inside.webhooks.inbox() {
        settled(&inbox).await;
        let events = inbox.list(webhooks::Selection::new()).await.expect("an inbox");
        said.hear_debug(&events);
        for event in events {
            said.hear_debug(inbox.show(event.number).await.expect("an inbox"));
        }
    }
    let handle = inside.webhooks.handle();
    said.hear_debug((&inside.webhooks, &handle, handle.processor(), handle.processor().report()));
    said.hear_debug((inside.webhooks.service().expect("secrets"), inside.heard()));
    handle.drain().await;
    log.lines().iter().for_each(|line| said.hear(line));
    said.hear(metrics.page());
    said.hear(PANICS.take().unwrap_or_default());

    for expected in
        ["signature_mismatch", "signature_missing", "body_malformed", "listener failed", "panicked: with"]
    {
        assert!(said.mentions(expected), "nothing came to {expected}");
    }
    assert!(said.mentions("webhooks_deliveries_total{"));
    secrets.values().for_each(|secret| said.assert_silent_about(secret));
    secrets
}

#[tokio::test]
async fn secret_canary() {
    let settings: Settings = "drain_delay = 0\ninline.max_attempts = 1".parse().expect("settings");
    drive(Webhooks::builder().settings(settings)).await;
}

#[tokio::test]
async fn secret_canary_through_the_inbox() {
    let folder = InboxFolder::new().setting("max_attempts = 2");
    let secrets = drive(folder.sources(&[])).await;
    let looked_for: Vec<_> = secrets.values().flat_map(|secret| written(secret)).collect();
    assert_eq!(folder.at_rest(&looked_for), BTreeSet::new());
    assert!(!folder.at_rest(&["panicked: with"]).is_empty(), "nothing at all is at rest");
}

/// A secret in the place of any other setting, or in the wrong form.
#[tokio::test]
async fn secret_canary_in_the_wrong_place() {
    let log = Log::capture();
    let mut said = Said::default();
    let canary = canaries("settings")[0].clone();
    let mut tried = 0;
    for path in paths(&webhooks::settings_schema(), "", 0) {
        for value in
            [format!("{canary:?}"), format!("[{canary:?}]"), format!("{{ {canary:?} = {canary:?} }}")]
        {
            let written = format!("sources.stripe.secret = \"hush\"\n{path} = {value}\n");
            let Ok(settings) = written.parse::<Settings>() else { continue };
            said.hear_debug(&settings);
            let builder = Webhooks::builder().settings(settings).listener(Recorder::new("*"));
            if let Err(error) = builder.build().await {
                tried += 1;
                said.hear(&error);
            }
        }
    }
    assert!(tried > 200, "only {tried} mistakes were found");
    log.lines().iter().for_each(|line| said.hear(line));
    said.assert_silent_about(&canary);
}

/// All keys that the settings have, dotted.
fn paths(schema: &Value, prefix: &str, depth: usize) -> Vec<String> {
    let source = &webhooks::settings_schema()["definitions"]["source"];
    let mut found = Vec::new();
    for (key, value) in schema["properties"].as_object().into_iter().flatten() {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match key.as_str() {
            // The file is there after all: what it is called is no mistake.
            "path" if prefix == "inbox" => {}
            "sources" if depth == 0 => found.extend(paths(source, "sources.stripe", 1)),
            _ => {
                found.extend(paths(value, &path, depth + 1));
                found.push(path);
            }
        }
    }
    found
}

#[tokio::test]
async fn secret_canary_in_the_urls_of_servers() {
    let log = Log::capture();
    let mut said = Said::default();
    let password = canaries("server")[0].clone();
    let nowhere = format!("127.0.0.1:{}", free_port());
    let settings = [
        format!(
            "idempotency = {{ provider = \"redis\", redis.url = \"redis://user:{password}@{nowhere}/0\" }}"
        ),
        format!("idempotency = {{ provider = \"redis\", redis.url = \"redis://user:{password}@\" }}"),
        format!("idempotency = {{ provider = \"redis\", redis.url = \"{password}\" }}"),
        format!("inbox = {{ provider = \"postgres\", url = \"postgres://user:{password}@{nowhere}/db\" }}"),
        format!("inbox = {{ provider = \"postgres\", url = \"{password}\" }}"),
    ];
    for settings in settings {
        let builder = Webhooks::builder().settings(settings.parse().expect("settings"));
        let builder = builder.source("stripe", |it| it.secret("hush")).listener(Recorder::new("*"));
        said.hear(builder.build().await.expect_err("there is no server"));
    }
    let url = format!("redis://user:{password}@{nowhere}/0");
    let error = RedisWebhookEventStore::connect(&url).await.expect_err("there is no server");
    said.hear(format_args!("{error} {error:?} {:?}", std::error::Error::source(&error)));

    let server = RedisServer::start();
    assert_eq!(server.command(&["CONFIG", "SET", "requirepass", &password]), "+OK");
    let settings = format!(
        "[idempotency]\nprovider = \"redis\"\nredis.url = \"redis://:{password}@{}/0\"",
        server.address()
    );
    let builder = Webhooks::builder().settings(settings.parse().expect("settings"));
    let inside = Inside::with(builder.source("stripe", |it| it.secret(sample::secret("stripe")))).await;
    assert_eq!(inside.send(sample::of("stripe", "evt_1")).await.status, 200);
    server.kill9();
    said.hear_debug(inside.send(sample::of("stripe", "evt_2")).await);
    assert!(said.mentions("store_unavailable"));
    log.lines().iter().for_each(|line| said.hear(line));
    said.assert_silent_about(&password);
}

/// What a whole process prints: a report of problems, panics, refusals.
#[tokio::test]
async fn secret_canary_in_a_process() {
    let mut said = Said::default();
    let secret = canaries("process")[0].clone();
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, value) in [
        ("WEBHOOKS_MAX_BODY", secret.as_str()),
        ("WEBHOOKS_SOURCES__STRIPE__PROVIDER", &secret),
        ("WEBHOOKS_SOURCES__STRIPE__SECRET_FILE", &secret),
        ("WEBHOOKS_SOURCES__DISCORD__SECRET", &secret),
        ("WEBHOOKS_CANARY", &secret),
    ] {
        let program = Program::built("probe").current_dir(folder.path());
        let program = program.env("WEBHOOKS_SOURCES__GITHUB__SECRET", &secret).env(name, value);
        let process = program.env("WEBHOOKS_HTTP__BIND", format!("256.0.0.1:{}", free_port())).start();
        assert!(!process.wait(PATIENCE).success());
        said.hear(process.output());
    }
    assert!(said.mentions("webhooks cannot start"));
    said.assert_silent_about(&secret);

    let probe = ProbeOptions::alone().start();
    for instructions in [r#"{"a":{"panic":true}}"#, r#"{"a":{"permanent":true}}"#, r#"{"a":{"fail":9}}"#] {
        said.hear(probe.deliver("evt_1", instructions).await.expect("an answer").text());
    }
    probe.process.kill9();
    said.hear(probe.process.stdout().to_the_end().join("\n"));
    said.hear(probe.process.stderr().to_the_end().join("\n"));
    assert!(said.mentions("panicked at") && said.mentions("event is dead"));
    said.assert_silent_about(support::fleet::SECRET);
}

#[test]
#[should_panic(expected = "is told as")]
fn a_canary_that_is_told_is_heard() {
    let mut said = Said::default();
    said.hear_debug(STANDARD.encode(&canaries("stripe")[0]));
    said.assert_silent_about(&canaries("stripe")[0]);
}
