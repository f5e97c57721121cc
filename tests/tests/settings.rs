//! Settings: where they come from, how they may be written, and what is said of mistakes.

use figment::Figment;
use figment::providers::{Format, Toml};
use support::free_port;
use support::inside::{Inside, Post, Recorder};
use support::process::{PATIENCE, Program};
use support::receiver::{Receiver, folder};
use support::sign;
use tower_service::Service;
use webhooks::{Builder, Problem, Settings, Webhooks};

const FILE: &str = "[webhooks.sources.hmac]\nsecret = \"in the file\"\n";

#[tokio::test]
async fn the_file_in_the_working_folder_is_read() {
    let folder = folder(&[("webhooks.toml", FILE)]);
    let receiver = Receiver::start(folder.path(), &[]);
    assert_eq!(receiver.takes("in the file", "/webhooks/hmac").await, 200);
    assert_eq!(receiver.takes("another", "/webhooks/hmac").await, 401);
}

#[tokio::test]
async fn another_file_can_be_named() {
    let folder =
        folder(&[("webhooks.toml", FILE), ("other.toml", "[webhooks.sources.hmac]\nsecret = \"other\"")]);
    let receiver = Receiver::start(folder.path(), &[("WEBHOOKS_CONFIG", "other.toml")]);
    assert_eq!(receiver.takes("other", "/webhooks/hmac").await, 200);
}

#[tokio::test]
async fn a_profile_is_laid_over_the_file() {
    let overlay = "[webhooks.sources.hmac]\nsecret = \"in production\"";
    let file = format!("[webhooks.http]\npath = \"/hooks\"\n{FILE}");
    let folder = folder(&[("webhooks.toml", &file), ("webhooks.production.toml", overlay)]);
    let receiver = Receiver::start(folder.path(), &[("WEBHOOKS_PROFILE", "production")]);
    assert_eq!(receiver.takes("in production", "/hooks/hmac").await, 200);
    assert_eq!(receiver.takes("in the file", "/hooks/hmac").await, 401);
}

#[test]
fn a_named_file_that_is_missing_is_an_error() {
    let folder = folder(&[("webhooks.toml", FILE)]);
    let missing = "No such file or directory (os error 2)";
    let refusal = Receiver::refusal(folder.path(), &[("WEBHOOKS_CONFIG", "other.toml")]);
    let what = format!("the settings file other.toml, named by WEBHOOKS_CONFIG, cannot be read: {missing}");
    assert!(refusal.contains(&what), "{refusal}");
    assert!(refusal.contains("help: create it, or unset WEBHOOKS_CONFIG"), "{refusal}");
    let refusal = Receiver::refusal(folder.path(), &[("WEBHOOKS_PROFILE", "staging")]);
    let what = format!(
        "the settings file webhooks.staging.toml, named by WEBHOOKS_PROFILE, cannot be read: {missing}"
    );
    assert!(refusal.contains(&what), "{refusal}");
}

#[test]
fn a_file_that_cannot_be_read_is_the_only_problem() {
    let folder = folder(&[("webhooks.toml", "[webhooks.sources.stripe\nsecret = \"canary\"")]);
    let address = format!("127.0.0.1:{}", free_port());
    // It listens to sources that only the file mentions.
    let program = Program::built("with-axum").current_dir(folder.path()).env("ADDRESS", address).start();
    assert!(!program.wait(PATIENCE).success(), "it started");
    let told = program.stderr().to_the_end().join("\n");
    assert!(told.contains("webhooks cannot start: 1 problem\n"), "{told}");
    assert!(told.contains("1. webhooks.toml, line 1, column 25: this is not TOML"), "{told}");
    assert!(!told.contains("canary"), "{told}");
}

#[test]
fn a_variable_that_is_no_text_is_a_problem_if_it_is_ours() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let folder = folder(&[("webhooks.toml", "[webhooks.sources.stripe]\nsecret = \"canary\"")]);
    let address = format!("127.0.0.1:{}", free_port());
    let no_text = OsStr::from_bytes(b"canary\xff");
    let program = Program::built("with-axum").current_dir(folder.path()).env("ADDRESS", address);
    let program = program.env("WEBHOOKS_HTTP__PATH", no_text).env("ELSEWHERE", no_text);
    let program = program.env("WEBHOOKS_PROFILE", no_text).start();
    assert!(!program.wait(PATIENCE).success(), "it started");
    let told = program.stderr().to_the_end().join("\n");
    assert!(told.contains("the variable WEBHOOKS_HTTP__PATH is not UTF-8"), "{told}");
    assert!(told.contains("the variable WEBHOOKS_PROFILE is not UTF-8"), "{told}");
    assert!(!told.contains("ELSEWHERE") && !told.contains("canary"), "{told}");
}

fn from_text(text: &str) -> Builder {
    Webhooks::builder().settings(text.parse().expect("TOML"))
}

async fn problems(builder: Builder) -> Vec<Problem> {
    let error = builder.listener(Recorder::new("*")).build().await.expect_err("it cannot start");
    error.problems().to_vec()
}

fn event(source: &str, secret: &str, id: &str) -> Post {
    let body = br#"{"type":"test"}"#;
    Post::to(source).headers(sign::hmac(secret, id, body)).body(body)
}

#[tokio::test]
async fn keys_may_be_written_with_hyphens() {
    let kebab = from_text(
        "max-in-flight = 3\nshutdown-grace = \"10s\"\n[idempotency]\nttl-seconds = 60\nmax-keys = 1\n\
         [sources.hmac]\nsecret = \"a\"\nmax-body = \"1 KiB\"\nreplay-guard = \"digest\"\ntolerance-seconds = 10",
    );
    let inside = Inside::with(kebab).await;
    assert_eq!(inside.send(event("hmac", "a", "1")).await.status, 200);
    let large = Post::to("hmac").headers(sign::hmac("a", "2", &[b' '; 2_000])).body([b' '; 2_000]);
    assert_eq!(inside.send(large).await.status, 413, "max-body is heard");
    assert_eq!(inside.send(event("hmac", "a", "2")).await.status, 200);
    assert_eq!(inside.heard().len(), 1, "replay-guard is heard");
}

#[tokio::test]
async fn two_spellings_of_one_key_cannot_override_each_other() {
    let file = format!("[webhooks]\nhead_timeout = \"1s\"\n{FILE}");
    let overlay = "[webhooks]\nhead-timeout = \"2s\"";
    let folder = folder(&[("webhooks.toml", &file), ("webhooks.production.toml", overlay)]);
    let said = Receiver::refusal(folder.path(), &[("WEBHOOKS_PROFILE", "production")]);
    assert!(said.contains("`webhooks.head_timeout` in webhooks.toml"), "{said}");
    assert!(said.contains("`webhooks.head-timeout`, which is the same key, is written too"), "{said}");
}

#[tokio::test]
async fn a_secret_may_stand_in_a_file_of_its_own() {
    let folder =
        folder(&[("lf", "secret \n"), ("crlf", "secret \r\n"), ("bare", "secret "), ("empty", "\n")]);
    for name in ["lf", "crlf", "bare"] {
        let file = folder.path().join(name);
        let inside = Inside::with(from_text(&format!("sources.hmac.secret_file = {file:?}"))).await;
        assert_eq!(
            inside.send(event("hmac", "secret ", name)).await.status,
            200,
            "only the line's end is cut: {name}"
        );
        assert_eq!(inside.send(event("hmac", "secret", name)).await.status, 401, "{name}");
    }
    let found =
        problems(from_text(&format!("sources.hmac.secret_file = {:?}", folder.path().join("empty")))).await;
    assert_eq!(found.len(), 1);
    assert!(found[0].what.ends_with("the secret is empty"), "{}", found[0]);
    let missing = folder.path().join("missing");
    let found = problems(from_text(&format!("sources.hmac.secret_file = {missing:?}"))).await;
    assert_eq!(found.len(), 1);
    let what = format!(": {} cannot be read: No such file or directory (os error 2)", missing.display());
    assert!(found[0].what.ends_with(&what), "{}", found[0]);
    assert_eq!(found[0].help, "name a file that holds the secret and nothing else");
}

#[tokio::test]
async fn several_secrets_are_all_good() {
    let inside = Inside::with(from_text("sources.hmac.secrets = [\"old\", \"new\"]")).await;
    for secret in ["new", "old"] {
        assert_eq!(inside.send(event("hmac", secret, secret)).await.status, 200);
    }
    let used: Vec<_> = inside.heard().iter().map(webhooks::WebhookEvent::secret_index).collect();
    assert_eq!(used, [Some(1), Some(0)]);
    assert_eq!(inside.send(event("hmac", "newer", "3")).await.status, 401);
}

#[tokio::test]
async fn a_figment_of_ones_own_is_read_under_webhooks() {
    let figment = Figment::new()
        .merge(Toml::string("[default.webhooks.sources.hmac]\nsecret = \"a\"\n[staging.webhooks.sources.hmac]\nsecret = \"b\"").nested())
        .select("staging");
    let inside = Inside::with(Webhooks::builder().figment(figment)).await;
    assert_eq!(inside.send(event("hmac", "b", "1")).await.status, 200);
    assert_eq!(inside.send(event("hmac", "a", "2")).await.status, 401);
}

#[derive(serde::Deserialize)]
struct Application {
    database: String,
    webhooks: Settings,
}

#[tokio::test]
async fn settings_may_be_a_part_of_ones_own() {
    let text = "database = \"postgres://localhost\"\n[webhooks.sources.hmac]\nsecret = \"a\"";
    let application: Application =
        Figment::new().merge(Toml::string(text)).extract().expect("it has all parts");
    assert_eq!(application.database, "postgres://localhost");
    let inside = Inside::with(Webhooks::builder().settings(application.webhooks)).await;
    assert_eq!(inside.send(event("hmac", "a", "1")).await.status, 200);
}

#[tokio::test]
async fn wrong_values_are_told_all_at_once_and_never_quoted() {
    let found = problems(from_text(
        r#"
        max-boddy = 1
        max_body = "canary"
        drain_delay = true
        head_timeout = 0
        http.bind = "canary"
        http.path = "canary"
        http.public_url = "canary"
        inline.max_attempts = 0
        idempotency.provider = "in-memroy"
        idempotency.ttl_seconds = 0
        idempotency.lease = "1ms"
        idempotency.max_keys = -1
        idempotency.redis = "canary"
        sources.hmac.secret = 12
        sources.github = { secret = "a", batch = "canary", replay_guard = "canary" }
        sources."Not A Name" = { provider = "hmac", secret = "a" }
        "#,
    ))
    .await;
    let told: Vec<_> =
        found.iter().map(|it| it.to_string().replace(" in the settings given as text", "")).collect();
    let expected = [
        (
            "[webhooks.sources.Not A Name]: not a name for a source",
            "use 1 to 64 of a-z, 0-9, `_` and `-`: it stands in the URL",
        ),
        (
            "`webhooks.drain_delay`: this boolean cannot be read",
            "write a duration such as \"30s\", \"5m\" or \"12h\"",
        ),
        ("`webhooks.head_timeout`: with 0, nothing could ever finish", "write a duration such as \"10s\""),
        (
            "`webhooks.http.bind`: not an address",
            "write an IP address and a port, such as \"127.0.0.1:8080\"",
        ),
        ("`webhooks.http.path`: not a path", "write one such as \"/webhooks\""),
        (
            "`webhooks.http.public_url`: not a URL to which paths can be added",
            "write it as the provider was given it, up to the path: \"https://example.com\"",
        ),
        (
            "`webhooks.idempotency.lease`: too short to be renewed in time",
            "write 100ms or more; 30s is usual",
        ),
        ("`webhooks.idempotency.max_keys`: this integer cannot be read", "write a whole number, 0 or more"),
        ("`webhooks.idempotency.provider`: `in-memroy` is not a known value", "did you mean `in-memory`?"),
        (
            "`webhooks.idempotency.redis`: a string stands where a table belongs",
            "write it as [webhooks.idempotency.redis]",
        ),
        (
            "`webhooks.idempotency.ttl_seconds`: with 0, every redelivery would be handled again",
            "write how many seconds an event is remembered, or leave it out: at least the provider's retries",
        ),
        ("`webhooks.inline.max_attempts`: with 0, nothing could ever run", "write 1 or more"),
        ("`webhooks.max-boddy`: unknown key", "did you mean `max_body`?"),
        ("`webhooks.max_body`: this string cannot be read", "write a size such as \"1 MiB\""),
        ("`webhooks.sources.github.batch`: this string cannot be read", "write true or false"),
        ("`webhooks.sources.github.replay_guard`: this is not a known value", "one of `digest`, `off`"),
        (
            "`webhooks.sources.hmac.secret`: this integer cannot be read",
            "write a string or a list of strings",
        ),
    ]
    .map(|(what, help)| format!("{what}\n    help: {help}"));
    assert_eq!(told, expected);
}

#[tokio::test]
async fn text_that_is_no_toml_names_its_line_and_not_its_content() {
    let error = "a = 1\nsecret = \"canary".parse::<Settings>().expect_err("it is no TOML");
    let told = error.to_string();
    assert!(told.starts_with("the settings cannot be read: 1 problem\n"), "{told}");
    assert!(told.contains("the settings given as text, line 2, column"), "{told}");
    assert!(!told.contains("canary"), "{told}");
}

#[test]
fn settings_print_their_keys_alone() {
    let settings: Settings = "max_body = 1\nsources.stripe.secret = \"canary\"".parse().expect("TOML");
    assert_eq!(format!("{settings:?}"), r#"["max_body", "sources"]"#);
}

#[tokio::test]
async fn disabled_webhooks_assemble_nothing_and_answer_503() {
    let webhooks = from_text("enabled = false\nsources.hmac.secret = \"a\"").build().await;
    let webhooks = webhooks.unwrap_or_else(|error| panic!("{error}"));
    let reply = webhooks.process(event("hmac", "a", "1").into_request()).await;
    assert_eq!((reply.status.as_u16(), &*support::inside::reason(&reply)), (503, "disabled"));
    assert!(reply.headers.contains_key("retry-after"));
    assert!(!webhooks.handle().is_ready());

    let mut router = webhooks.router::<()>().unwrap_or_else(|error| panic!("{error}"));
    for target in ["/webhooks/hmac", "/webhooks/unknown"] {
        let request = event("hmac", "a", "1").target(target).into_request().map(axum::body::Body::from);
        let answer = router.call(request).await.expect("infallible");
        assert_eq!(answer.status(), 503, "{target}");
        assert_eq!(answer.headers()["retry-after"], "60");
    }
}

#[test]
fn a_profile_that_is_no_part_of_a_files_name_is_a_problem() {
    let folder = folder(&[("webhooks.toml", FILE)]);
    for profile in ["eu/production", "../production", "eu\\production"] {
        let refusal = Receiver::refusal(folder.path(), &[("WEBHOOKS_PROFILE", profile)]);
        let what = "the variable WEBHOOKS_PROFILE is no part of a file's name\n    help: write a word";
        assert!(refusal.contains(what), "{refusal}");
    }
}
