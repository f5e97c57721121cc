//! The startup report: every problem in one run, each with its place and remedy.

use support::settings_file::SettingsFile;
use webhooks::{State, WebhookEvent, Webhooks, webhook_listener};

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

const EVERYTHING: u32 = line!() + 2;
#[webhook_listener(source = "*")]
async fn everything() {}

/// What is printed, with the lines of the functions above put in.
fn expected(report: &str) -> String {
    let lines = [
        ("ON_PAID", ON_PAID),
        ("FIRST_TWIN", FIRST_TWIN),
        ("SECOND_TWIN", SECOND_TWIN),
        ("EVERYTHING", EVERYTHING),
    ];
    lines.into_iter().fold(report.to_owned(), |report, (name, line)| {
        report.replace(&format!("rs:{name}"), &format!("rs:{line}"))
    })
}

#[tokio::test]
async fn eight_mistakes_in_one_run() {
    let file = SettingsFile::of(
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
    let file = SettingsFile::of("[webhooks.sources.github]\nsecret = \"hush\"");
    let report = file.report(file.builder()).await;
    let one = r#"webhooks cannot start: 1 problem

 1. there is no listener
    help: annotate one with #[webhook_listener(source = "…")]; if it stands in another crate, name that crate in the binary: `use billing as _;`"#;
    assert_eq!(report, one);
}

#[tokio::test]
async fn without_a_listener_the_other_mistakes_are_told_too() {
    let file = SettingsFile::of(
        "[webhooks.inline]\ntimeout = \"soon\"\n[webhooks.sources.github]\nsecret = \"hush\"",
    );
    let error = file.builder().build().await.expect_err("two mistakes");
    let told: Vec<_> = error.problems().iter().map(|it| it.what.as_str()).collect();
    let [mistake, "there is no listener"] = told[..] else { panic!("{error}") };
    assert!(mistake.starts_with("`webhooks.inline.timeout` in "), "{mistake}");
}

/// The problems that these settings have under a listener to everything.
async fn problems(text: &str) -> Vec<String> {
    let file = SettingsFile::of(&format!("[webhooks.http]\nbind = \"0.0.0.0:8080\"\n{text}"));
    let error = file.builder().listeners(webhooks::listeners![everything]).build().await;
    let problems = error.expect_err("it cannot start").problems().to_vec();
    problems.iter().map(|it| file.here(&it.to_string())).collect()
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
    let file = SettingsFile::of(
        "[webhooks.http]\nbind = \"0.0.0.0:8080\"\n[webhooks.sources.github]\nsecret = \"hush\"",
    );
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
    let file = SettingsFile::of("[webhooks.http]\nbind = \"127.0.0.1:8080\"");
    let error = file.builder().listeners(webhooks::listeners![everything]).build().await;
    let error = error.map(drop).expect_err("nothing would ever come");
    let [problem] = error.problems() else { panic!("{error}") };
    let what = "listener `startup::everything` (tests/tests/startup.rs:EVERYTHING) listens to every source, and none is \
                configured";
    assert_eq!(problem.what, expected(what));
    assert_eq!(problem.help, "add [webhooks.sources.NAME] with its `provider` and `secret`");
}

#[tokio::test]
async fn the_same_secret_in_two_sources() {
    let two = "[webhooks.sources.github]\nsecret = \"hush\"\n[webhooks.sources.hmac]\nsecret = \"hush\"";
    let one = "the sources `github` and `hmac` have the same secret and sign alike: what is signed for one is accepted \
               by the other\n    help: give each a secret of its own";
    assert_eq!(problems(two).await, [one]);
}

#[tokio::test]
async fn no_two_listeners_may_share_a_name_whatever_they_are() {
    let file = SettingsFile::of("[webhooks.sources.stripe]\nsecret = \"whsec_a1b2c3d4\"");
    let twins = file.builder().listener(support::inside::Recorder::new("stripe"));
    let report = file.report(twins.listener(support::inside::Recorder::new("stripe"))).await;
    let first =
        " 1. listeners `recorder of stripe` and `recorder of stripe` have the same id `recorder of stripe`\n";
    assert!(report.contains(first), "{report}");
}

#[tokio::test]
async fn a_function_that_is_named_twice_is_one_listener() {
    let file = SettingsFile::of("[webhooks.sources.stripe]\nsecret = \"whsec_a1b2c3d4\"");
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

/// Nobody can look such a secret up: the remedy is the one that works.
#[tokio::test]
async fn a_secret_that_a_handshake_brings_wants_a_file_for_it() {
    let builder = Webhooks::builder().source("asana", |it| it).listeners(webhooks::listeners![everything]);
    let error = builder.bind("0.0.0.0:8080").build().await.map(drop).expect_err("it has no secret");
    let [problem] = error.problems() else { panic!("{error}") };
    assert_eq!(problem.what, "[webhooks.sources.asana] in the code has no `secret`");
    let help = "set `secret_file`, or WEBHOOKS_SOURCES__ASANA__SECRET_FILE, to a file that need not exist yet: the \
                secret comes with Asana's first request, and is kept there";
    assert_eq!(problem.help, help);
}

/// The next run, of a router, would have no other problem.
#[tokio::test]
async fn what_would_be_lent_a_secret_is_told_with_the_mistakes() {
    let file = SettingsFile::of("[webhooks.inline]\ntimeuot = \"5s\"\n[webhooks.sources.stripe]");
    let report = file.report(file.builder().listeners(webhooks::listeners![everything])).await;
    let two = "webhooks cannot start: 2 problems\n\n \
         1. [webhooks.sources.stripe] in webhooks.toml has no `secret`\n    \
         help: set it, or WEBHOOKS_SOURCES__STRIPE__SECRET, or `validator = \"none\"` to accept unsigned requests\n \
         2. `webhooks.inline.timeuot` in webhooks.toml: unknown key\n    help: did you mean `timeout`?";
    assert_eq!(report, two);
}

#[tokio::test]
async fn without_room_for_a_body_nothing_can_be_received() {
    let found =
        problems("[webhooks]\nmax_buffered = 0\n[webhooks.sources.hmac]\nsecret = \"hush\"\nmax_body = 0")
            .await;
    let two = [
        "[webhooks.sources.hmac] in webhooks.toml: with a `max_body` of 0, no delivery is let in\n    help: write 1 or more",
        "`webhooks.max_buffered` in webhooks.toml: with 0, no body could ever be received\n    \
         help: write a size such as \"256 MiB\"",
    ];
    assert_eq!(found, two);
}

#[tokio::test]
async fn one_name_for_two_validators_and_one_type_for_two_values() {
    let file = SettingsFile::of("[webhooks.sources.hmac]\nvalidator = \"partner\"\n");
    let validator = || webhooks::HmacSignatureValidator::new("hush");
    let builder = file.builder().listeners(webhooks::listeners![everything]);
    let builder = builder.validator("partner", validator()).validator("partner", validator());
    let error = builder.state(1_u8).state(2_u8).state("other").build().await.expect_err("two problems");
    let found: Vec<_> = error.problems().iter().map(ToString::to_string).collect();
    let two = [
        "2 validators are called `partner`: .validator(…), .validator(…)\n    \
         help: give each a name of its own, or remove all but one",
        "more than one `u8` was given to .state(…)\n    help: give one, or wrap each in a type of its own",
    ];
    assert_eq!(found, two);
}
