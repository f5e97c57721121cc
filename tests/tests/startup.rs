//! The startup report: every problem in one run, each with its place and remedy, and what is only warned of.

use figment::Figment;
use figment::providers::{Format, Toml};
use support::log::Log;
use tempfile::TempDir;
use webhooks::{Builder, Error, State, WebhookEvent, Webhooks, webhook_listener};

struct Ledger;

/// Messages name the line of the function.
const ON_PAID: u32 = line!() + 2;
#[webhook_listener(source = "strpe", event = "payment_intent.succeeded")]
async fn on_paid(_: WebhookEvent, _: State<Ledger>) {}

const FIRST_TWIN: u32 = line!() + 2;
#[webhook_listener(source = "github", id = "twin")]
async fn first_twin() {}

const SECOND_TWIN: u32 = line!() + 2;
#[webhook_listener(source = "github", id = "twin")]
async fn second_twin() {}

const ON_ISSUE: u32 = line!() + 2;
#[webhook_listener(source = "github", event = "issue.opened")]
async fn on_issue() {}

const EVERYTHING: u32 = line!() + 2;
#[webhook_listener(source = "*")]
async fn everything() {}

/// Settings in a file named webhooks.toml.
struct File(TempDir);

impl File {
    fn of(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("webhooks.toml"), text).expect("a settings file");
        Self(folder)
    }

    fn builder(&self) -> Builder {
        let file = Toml::file_exact(self.0.path().join("webhooks.toml"));
        Webhooks::builder().figment(Figment::new().merge(file))
    }

    /// The report, with the file as it would be named where it lies.
    async fn report(&self, builder: Builder) -> String {
        let error: Error = builder.build().await.expect_err("it cannot start");
        assert_eq!(format!("{error}"), format!("{error:?}"), "main prints the report as it is");
        error.to_string().replace(&format!("{}/", self.0.path().display()), "")
    }
}

/// The texts of the warnings, each with its remedy.
async fn warnings(file: &File, builder: Builder) -> Vec<String> {
    let log = Log::capture();
    builder.build().await.unwrap_or_else(|error| panic!("{error}"));
    let folder = format!("{}/", file.0.path().display());
    let text =
        |line: &serde_json::Value, field: &str| line[field].as_str().unwrap_or_default().replace(&folder, "");
    let lines = log.lines_where("level", "WARN");
    lines.iter().map(|line| format!("{}\n    help: {}", text(line, "message"), text(line, "help"))).collect()
}

/// What is printed, with the lines of the functions above put in.
fn expected(report: &str) -> String {
    let lines = [
        ("ON_PAID", ON_PAID),
        ("FIRST_TWIN", FIRST_TWIN),
        ("SECOND_TWIN", SECOND_TWIN),
        ("ON_ISSUE", ON_ISSUE),
        ("EVERYTHING", EVERYTHING),
    ];
    lines.into_iter().fold(report.to_owned(), |report, (name, line)| {
        report.replace(&format!("rs:{name}"), &format!("rs:{line}"))
    })
}

#[tokio::test]
async fn eight_mistakes_in_one_run() {
    let file = File::of(
        r#"
        [webhooks.http]
        bind = "0.0.0.0:8080"
        bnd = "0.0.0.0:8080"

        [webhooks.inline]
        timeout = "soon"

        [webhooks.sources.stripe]
        secret = "changeme"

        [webhooks.sources.github]

        [webhooks.sources.twilio]
        secret = "12345"

        [webhooks.sources.shopify]
        secret = "hush"
        "#,
    );
    let builder = file.builder().listeners(webhooks::listeners![on_paid, first_twin, second_twin]);
    let report = file.report(builder).await;
    let eight = r#"webhooks cannot start: 8 problems

 1. listener `startup::on_paid` (tests/tests/startup.rs:ON_PAID) listens to source `strpe`, which is not configured
    help: a source named `stripe` is: did you mean that?
 2. listener `startup::on_paid` (tests/tests/startup.rs:ON_PAID) takes `State<Ledger>`, but no `Ledger` was given
    help: webhooks::autoconfigure().state(ledger)
 3. listeners `startup::first_twin` (tests/tests/startup.rs:FIRST_TWIN) and `startup::second_twin` (tests/tests/startup.rs:SECOND_TWIN) have the same id `twin`
    help: give one of them another: `id = "…"`; it is the name under which its success is remembered
 4. [webhooks.sources.github] in webhooks.toml has no `secret`
    help: set it, or WEBHOOKS_SOURCES__GITHUB__SECRET, or `validator = "none"` to accept unsigned requests
 5. [webhooks.sources.twilio] in webhooks.toml: this provider signs the URL
    help: set `public_url` to what the provider was given, up to the path: "https://example.com"
 6. `webhooks.http.bnd` in webhooks.toml: unknown key
    help: did you mean `bind`?
 7. `webhooks.inline.timeout` in webhooks.toml: this string cannot be read
    help: write a duration such as "30s", "5m" or "12h"
 8. `webhooks.sources.stripe.secret` in webhooks.toml: the secret is a placeholder
    help: copy the real one from the provider's dashboard"#;
    assert_eq!(report, expected(eight));
}

#[tokio::test]
async fn one_problem_is_one_problem() {
    let file = File::of("[webhooks.sources.github]\nsecret = \"hush\"");
    let report = file.report(file.builder()).await;
    let one = r#"webhooks cannot start: 1 problem

 1. there is no listener
    help: annotate one with #[webhook_listener(source = "…")]; if it stands in another crate, name that crate in the binary: `use billing as _;`"#;
    assert_eq!(report, one);
}

#[tokio::test]
async fn without_a_listener_the_other_mistakes_are_told_too() {
    let file =
        File::of("[webhooks.inline]\ntimeout = \"soon\"\n[webhooks.sources.github]\nsecret = \"hush\"");
    let error = file.builder().build().await.expect_err("two mistakes");
    let told: Vec<_> = error.problems().iter().map(|it| it.what.as_str()).collect();
    let [mistake, "there is no listener"] = told[..] else { panic!("{error}") };
    assert!(mistake.starts_with("`webhooks.inline.timeout` in "), "{mistake}");
}

/// The problems that these settings have under a listener to everything.
async fn problems(text: &str) -> Vec<String> {
    let file = File::of(&format!("[webhooks.http]\nbind = \"0.0.0.0:8080\"\n{text}"));
    let error = file.builder().listeners(webhooks::listeners![everything]).build().await;
    let folder = format!("{}/", file.0.path().display());
    let problems = error.expect_err("it cannot start").problems().to_vec();
    problems.iter().map(|it| it.to_string().replace(&folder, "")).collect()
}

#[tokio::test]
async fn unusable_secrets() {
    for placeholder in ["changeme", "${STRIPE_SECRET}", "whsec_…", "your-secret", "<secret>"] {
        let found = problems(&format!("[webhooks.sources.stripe]\nsecret = \"{placeholder}\"")).await;
        let one = "`webhooks.sources.stripe.secret` in webhooks.toml: the secret is a placeholder\n    \
                   help: copy the real one from the provider's dashboard";
        assert_eq!(found, [one], "{placeholder}");
    }
    for empty in ["", " ", "\\t\\n"] {
        let found = problems(&format!("[webhooks.sources.stripe]\nsecret = \"{empty}\"")).await;
        let one = "`webhooks.sources.stripe.secret` in webhooks.toml: the secret is empty\n    \
                   help: copy the real one from the provider's dashboard";
        assert_eq!(found, [one], "{empty:?}");
    }
    let one = "`webhooks.sources.stripe.secrets` in webhooks.toml: the list is empty\n    \
               help: write the secret, or several";
    assert_eq!(problems("[webhooks.sources.stripe]\nsecrets = []").await, [one]);
    let one = "`webhooks.sources.stripe.secrets` in webhooks.toml: `secret` is set too\n    \
               help: keep one of them; `secrets` takes several";
    let both = "[webhooks.sources.stripe]\nsecret = \"whsec_a1b2\"\nsecrets = [\"whsec_c3d4\"]";
    assert_eq!(problems(both).await, [one]);
}

#[tokio::test]
async fn unknown_sources_without_a_likely_one() {
    let file =
        File::of("[webhooks.http]\nbind = \"0.0.0.0:8080\"\n[webhooks.sources.github]\nsecret = \"hush\"");
    let on_stripe = support::inside::Recorder::new("stripe");
    let on_acme = support::inside::Recorder::new("acme");
    let error = file.builder().listener(on_stripe).listener(on_acme).build().await.expect_err("two mistakes");
    let problems: Vec<_> = error.problems().iter().map(ToString::to_string).collect();
    let expected = [
        "listener `recorder of acme` listens to source `acme`, which is not configured\n    \
         help: add [webhooks.sources.acme] with its `provider` and `secret`",
        "listener `recorder of stripe` listens to source `stripe`, which is not configured\n    \
         help: set [webhooks.sources.stripe] secret, or WEBHOOKS_SOURCES__STRIPE__SECRET",
    ];
    assert_eq!(problems, expected);
}

#[tokio::test]
async fn providers_that_are_not_known() {
    let one = "[webhooks.sources.strpe] in webhooks.toml names no provider, and none is called `strpe`\n    \
               help: set `provider = \"…\"`; a provider is called `stripe`";
    assert_eq!(problems("[webhooks.sources.strpe]\nsecret = \"hush\"").await, [one]);
    let one = "[webhooks.sources.billing] in webhooks.toml names no provider, and none is called `billing`\n    \
               help: set `provider = \"…\"`, for instance \"hmac\", the generic one";
    assert_eq!(problems("[webhooks.sources.billing]\nsecret = \"hush\"").await, [one]);
}

/// What is nothing like a known word may be a secret, pasted into the wrong place.
#[tokio::test]
async fn words_that_are_not_known_are_repeated_only_if_they_are_nearly_known() {
    let place = "in webhooks.toml";
    for (settings, what, help) in [
        (
            "provider = \"strpe\"\nsecret = \"hush\"",
            format!("`webhooks.sources.shop.provider` {place}: no provider is called `strpe`"),
            "did you mean `stripe`?",
        ),
        (
            "provider = \"whsec_canary\"\nsecret = \"hush\"",
            format!("`webhooks.sources.shop.provider` {place}: no provider is called what is written here"),
            "webhooks::providers() lists them all; `[….scheme]` describes one of your own",
        ),
        (
            "provider = \"github\"\nsecret = \"hush\"\nvariant = \"sha-1\"",
            format!("`webhooks.sources.shop.variant` {place}: no variant is called `sha-1`"),
            "did you mean `sha1`?",
        ),
        (
            "provider = \"github\"\nsecret = \"hush\"\nvariant = \"canary\"",
            format!("`webhooks.sources.shop.variant` {place}: no variant is called what is written here"),
            "`github` has `sha1`",
        ),
        (
            "provider = \"stripe\"\nvariant = \"canary\"\nsecret = \"hush\"",
            format!("`webhooks.sources.shop.variant` {place}: no variant is called what is written here"),
            "`stripe` has none: leave it out",
        ),
        (
            "provider = \"github\"\nvalidator = \"nonne\"",
            format!("[webhooks.sources.shop] {place}: no validator is called `nonne`"),
            "did you mean `none`?",
        ),
        (
            "provider = \"github\"\nvalidator = \"canary\"",
            format!("[webhooks.sources.shop] {place}: no validator is called what is written here"),
            "register it with #[webhook_validator] or .validator(…), or leave `validator` out: the provider's own \
             scheme is then used",
        ),
        (
            "provider = \"hmac\"\nsecret = \"hush\"\nscheme.signature.content = \"{canary}.{body}\"",
            format!(
                "`webhooks.sources.shop.scheme.signature.content` {place}: what stands in braces is not a part of a \
                 request"
            ),
            "the parts are `{body}`, `{timestamp}`, `{id}`, `{url}`, `{method}`, `{secret}`",
        ),
    ] {
        let found = problems(&format!("[webhooks.sources.shop]\n{settings}")).await;
        assert_eq!(found, [format!("{what}\n    help: {help}")], "{settings}");
    }
}

/// Whatever else is wrong with a source, its unknown keys are told in the same run.
#[tokio::test]
async fn one_mistake_in_a_source_hides_no_other() {
    let unknown = "`webhooks.sources.Shop.tolerance` in webhooks.toml: unknown key\n    \
                   help: did you mean `tolerance_seconds`?";
    for mistake in [
        "provider = \"canary\"\nvariant = \"sha1\"\nsecret = \"hush\"",
        "provider = \"github\"\nvariant = \"canary\"\nsecret = \"hush\"",
        "provider = \"github\"\nscheme.signature.algorithm = \"canary\"\nvariant = \"sha1\"\nsecret = \"hush\"",
        "provider = \"github\"\nexpect = { \"$[\" = \"a\" }\nsecret = \"hush\"",
        "provider = \"github\"\nsecret = \"changeme\"",
    ] {
        let found = problems(&format!("[webhooks.sources.Shop]\ntolerance = \"5m\"\n{mistake}")).await;
        assert!(found.contains(&unknown.to_owned()), "{found:#?}");
        assert_eq!(found.len(), 3, "the mistake, the name and the unknown key: {found:#?}");
    }
}

#[tokio::test]
async fn a_listener_to_everything_needs_something_to_hear() {
    let file = File::of("[webhooks.http]\nbind = \"127.0.0.1:8080\"");
    let error = file.builder().listeners(webhooks::listeners![everything]).build().await;
    let error = error.map(drop).expect_err("nothing would ever come");
    let [problem] = error.problems() else { panic!("{error}") };
    let what = "listener `startup::everything` (tests/tests/startup.rs:EVERYTHING) listens to every source, and none is \
                configured";
    assert_eq!(problem.what, expected(what));
    assert_eq!(problem.help, "add [webhooks.sources.NAME] with its `provider` and `secret`");
}

#[tokio::test]
async fn a_replay_guard_that_does_nothing_is_warned_of() {
    for (settings, why) in [
        (
            "provider = \"stripe\"\nsecret = \"whsec_a1\"",
            Some(("its signature covers the id, so that nobody can change it", "remove it")),
        ),
        (
            "provider = \"hmac\"\nvalidator = \"none\"",
            Some(("nothing is signed", "remove it, or `validator = \"none\"`")),
        ),
        (
            "secret = \"hush\"\nscheme.signature = { header = \"X-Mac\", algorithm = \"hmac-sha256\" }\n\
             scheme.identity = { no_id = true, type = \"$.type\" }",
            Some(("its events have no id", "remove it")),
        ),
        (
            "provider = \"telegram\"\nsecret = \"hush\"",
            Some(("its signature does not cover the content", "remove it")),
        ),
        (
            "provider = \"hmac\"\nsecret = \"hush\"\nscheme.identity.batch = \"$.events\"",
            Some(("a delivery holds several events", "remove it, or set `batch = false`")),
        ),
        ("provider = \"hmac\"\nsecret = \"hush\"\nbatch = false\nscheme.identity.batch = \"$.events\"", None),
        ("provider = \"hmac\"\nsecret = \"hush\"", None),
    ] {
        let file = File::of(&format!("[webhooks.sources.shop]\nreplay_guard = \"digest\"\n{settings}"));
        let found = warnings(&file, file.builder().listeners(webhooks::listeners![everything])).await;
        let found: Vec<_> = found.iter().filter(|it| it.contains("replay_guard")).collect();
        let expected = why.map(|(why, help)| {
            format!(
                "[webhooks.sources.shop] in webhooks.toml: `replay_guard` does nothing here: {why}\n    help: {help}"
            )
        });
        assert_eq!(found, expected.iter().collect::<Vec<_>>(), "{settings}");
    }
}

#[tokio::test]
async fn the_same_secret_in_two_sources() {
    let two = "[webhooks.sources.github]\nsecret = \"hush\"\n[webhooks.sources.hmac]\nsecret = \"hush\"";
    let one = "the sources `github` and `hmac` have the same secret and sign alike: what is signed for one is accepted \
               by the other\n    help: give each a secret of its own";
    assert_eq!(problems(two).await, [one]);
}

#[tokio::test]
async fn everything_that_is_warned_of() {
    let file = File::of(
        r#"
        [webhooks.http]
        bind = "0.0.0.0:8080"

        [webhooks.idempotency]
        ttl_seconds = 3600

        [webhooks.sources.stripe]
        secret = "whsec_a1b2c3d4"

        [webhooks.sources.github]
        secret = "It's a Secret to Everybody"

        [webhooks.sources.shopify]
        secret = "hush"

        [webhooks.sources.hmac]
        validator = "none"
        "#,
    );
    let found = warnings(&file, file.builder().listeners(webhooks::listeners![on_issue])).await;
    let ten = r#"[webhooks.sources.github] in webhooks.toml: GitHub never sends an event again by itself: one that fails waits for a human
    help: redeliver failed events from the provider's dashboard or API, or set `webhooks.inbox.provider = "sqlite"`
listener `startup::on_issue` (tests/tests/startup.rs:ON_ISSUE) listens to `issue.opened`, which GitHub does not list
    help: did you mean `issues.opened`?
[webhooks.sources.hmac] in webhooks.toml: nothing listens to it
    help: annotate a function with #[webhook_listener(source = "hmac")]
[webhooks.sources.shopify] in webhooks.toml: nothing listens to it
    help: annotate a function with #[webhook_listener(source = "shopify")]
`webhooks.idempotency.ttl_seconds` is 3600, but Shopify sends an event again for up to 14400 s
    help: leave it out: each source then remembers for at least as long as its provider retries
[webhooks.sources.shopify] in webhooks.toml: Shopify waits only 5 s for an answer
    help: keep its listeners short, or set `webhooks.inbox.provider = "sqlite"`
[webhooks.sources.stripe] in webhooks.toml: nothing listens to it
    help: annotate a function with #[webhook_listener(source = "stripe")]
`webhooks.idempotency.ttl_seconds` is 3600, but Stripe sends an event again for up to 259200 s
    help: leave it out: each source then remembers for at least as long as its provider retries
[webhooks.sources.hmac] in webhooks.toml accepts unsigned requests: anyone can send it anything
    help: remove `validator = "none"` and set its `secret`
what was handled is remembered in this process only, and forgotten when it restarts
    help: set `webhooks.idempotency.provider = "redis"`"#;
    assert_eq!(found.join("\n"), expected(ten));
}

#[tokio::test]
async fn nothing_is_warned_of_where_nothing_is_wrong() {
    let file = File::of("[webhooks.sources.stripe]\nsecret = \"whsec_a1b2c3d4\"");
    assert_eq!(warnings(&file, file.builder().listeners(webhooks::listeners![everything])).await, [""; 0]);
}

#[tokio::test]
async fn the_same_secret_for_two_endpoints_of_one_provider_is_only_warned_of() {
    let file = File::of(
        "[webhooks.sources.stripe]\nsecret = \"whsec_a1\"\n\
         [webhooks.sources.stripe-eu]\nprovider = \"stripe\"\nsecret = \"whsec_a1\"",
    );
    let found = warnings(&file, file.builder().listeners(webhooks::listeners![everything])).await;
    let one = "the sources `stripe` and `stripe-eu` have the same secret and sign alike: what is signed for one is \
               accepted by the other\n    help: give each endpoint a secret of its own, if the provider can";
    assert_eq!(found, [one]);
}

#[tokio::test]
async fn no_two_listeners_may_share_a_name_whatever_they_are() {
    let file = File::of("[webhooks.sources.stripe]\nsecret = \"whsec_a1b2c3d4\"");
    let twins = file.builder().listener(support::inside::Recorder::new("stripe"));
    let report = file.report(twins.listener(support::inside::Recorder::new("stripe"))).await;
    let first =
        " 1. listeners `recorder of stripe` and `recorder of stripe` have the same id `recorder of stripe`\n";
    assert!(report.contains(first), "{report}");
}

#[tokio::test]
async fn a_function_that_is_named_twice_is_one_listener() {
    let file = File::of("[webhooks.sources.stripe]\nsecret = \"whsec_a1b2c3d4\"");
    let twice = file.builder().listeners(webhooks::listeners![everything, everything]);
    twice.build().await.unwrap_or_else(|error| panic!("{error}"));
}

#[tokio::test]
async fn code_is_named_as_the_place_of_what_was_set_in_it() {
    let builder = Webhooks::builder().bind("0.0.0.0:8080").source("stripe", |it| it.secret("changeme"));
    let error = builder.listeners(webhooks::listeners![everything]).build().await.expect_err("a placeholder");
    let one = "`webhooks.sources.stripe.secret` in the code: the secret is a placeholder";
    assert_eq!(error.problems()[0].what, one);
}

#[tokio::test]
async fn a_secret_is_lent_only_to_what_serves_on_loopback() {
    let builder =
        || Webhooks::builder().source("stripe", |it| it).listeners(webhooks::listeners![everything]);
    let lent = builder().build().await.unwrap_or_else(|error| panic!("{error}"));
    let error = lent.router::<()>().map(drop).expect_err("inside somebody's server there is nothing to lend");
    assert_eq!(error.problems()[0].what, "[webhooks.sources.stripe] in the code has no `secret`");
    let elsewhere = builder().bind("0.0.0.0:8080").build().await.map(drop);
    let error = elsewhere.expect_err("nor on an address that others reach");
    assert_eq!(error.problems()[0].what, "[webhooks.sources.stripe] in the code has no `secret`");
}

const SET_IT: &str =
    "set it, or WEBHOOKS_SOURCES__STRIPE__SECRET, or `validator = \"none\"` to accept unsigned requests";

#[tokio::test]
async fn a_secret_that_was_lent_is_warned_of() {
    let file = File::of("[webhooks.sources.stripe]");
    let found = warnings(&file, file.builder().listeners(webhooks::listeners![everything])).await;
    let what = "[webhooks.sources.stripe] in webhooks.toml has no `secret`: until this process ends, it has a random one";
    assert_eq!(found, [format!("{what}\n    help: {SET_IT}")]);
}

/// The next run, of a router, would have no other problem.
#[tokio::test]
async fn what_would_be_lent_a_secret_is_told_with_the_mistakes() {
    let file = File::of("[webhooks.inline]\ntimeuot = \"5s\"\n[webhooks.sources.stripe]");
    let report = file.report(file.builder().listeners(webhooks::listeners![everything])).await;
    let two = format!(
        "webhooks cannot start: 2 problems\n\n \
         1. [webhooks.sources.stripe] in webhooks.toml has no `secret`\n    \
         help: {SET_IT}\n \
         2. `webhooks.inline.timeuot` in webhooks.toml: unknown key\n    help: did you mean `timeout`?"
    );
    assert_eq!(report, two);
}
