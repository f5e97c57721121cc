//! Settings: where they come from, how they may be written, and what is said of mistakes.

use std::path::Path;

use figment::Figment;
use figment::providers::{Format, Toml};
use support::free_port;
use support::http::Request;
use support::inside::{Inside, Post, Recorder};
use support::process::{PATIENCE, Process, Program};
use support::sign;
use tempfile::TempDir;
use tower_service::Service;
use webhooks::{Builder, Problem, Settings, Webhooks};

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("a file");
    }
    folder
}

/// The receiver, run in a folder with these variables, on a port of its own.
struct Receiver {
    process: Process,
    address: std::net::SocketAddr,
}

impl Receiver {
    fn start(folder: &Path, variables: &[(&str, &str)]) -> Self {
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], free_port()));
        let program = Program::built("receiver").current_dir(folder);
        let program = variables.iter().fold(program, |program, (name, value)| program.env(name, value));
        Self { process: program.env("WEBHOOKS_HTTP__BIND", address.to_string()).start(), address }
    }

    /// What it says of why it does not start.
    fn refusal(folder: &Path, variables: &[(&str, &str)]) -> String {
        let receiver = Self::start(folder, variables);
        let ended = receiver.process.wait(PATIENCE);
        assert!(!ended.success(), "it started");
        receiver.process.stderr().to_the_end().join("\n")
    }

    /// Whether it takes an event that is signed with this secret.
    async fn takes(&self, secret: &str, path: &str) -> u16 {
        self.process.wait_until_listening(self.address);
        let body = br#"{"type":"test"}"#;
        let request = Request::post(path).headers(sign::hmac(secret, "1", body)).body(body);
        request.send(self.address).await.expect("an answer").status
    }
}

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
    receiver.process.wait_until_listening(receiver.address);
    let body = br#"{"type":"test"}"#;
    for (topic, status) in [("ours", 200), ("in the file", 401)] {
        let request = Request::post("/webhooks/stripe-eu").headers(sign::hmac("hush", topic, body));
        let response = request.header("X-Topic", topic).body(body).send(receiver.address).await;
        assert_eq!(response.expect("an answer").status, status, "{topic}");
    }
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

#[tokio::test]
async fn an_empty_variable_overrides_no_secret_silently() {
    let folder = folder(&[("webhooks.toml", FILE)]);
    let refusal = Receiver::refusal(folder.path(), &[("WEBHOOKS_SOURCES__HMAC__SECRET", "")]);
    assert!(refusal.contains("1 problem\n"), "{refusal}");
    let what = "the environment variable WEBHOOKS_SOURCES__HMAC__SECRET: is set, but empty";
    assert!(refusal.contains(what), "{refusal}");
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
