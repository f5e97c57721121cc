//! What is probably a mistake and keeps nothing from starting: told at startup, each with its remedy.

use support::inside::Recorder;
use support::settings_file::SettingsFile;
use webhooks::webhook_listener;

const ON_ISSUE: u32 = line!() + 2;
#[webhook_listener(source = "github", event = "issue.opened")]
async fn on_issue() {}

/// The warnings with these settings and a listener to everything.
async fn warnings(settings: &str) -> Vec<String> {
    let file = SettingsFile::of(settings);
    file.warnings(file.builder().listener(Recorder::new("*"))).await
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
        let found =
            warnings(&format!("[webhooks.sources.shop]\nreplay_guard = \"digest\"\n{settings}")).await;
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
async fn everything_that_is_warned_of() {
    let file = SettingsFile::of(
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
    let found = file.warnings(file.builder().listeners(webhooks::listeners![on_issue])).await;
    let ten = r#"[webhooks.sources.github] in webhooks.toml: GitHub never sends an event again by itself: one that fails waits for a human
    help: redeliver failed events from the provider's dashboard or API, or set `webhooks.inbox.provider = "sqlite"`
listener `startup_warnings::on_issue` (tests/tests/startup_warnings.rs:ON_ISSUE) listens to `issue.opened`, which GitHub does not list
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
    assert_eq!(found.join("\n"), ten.replace("rs:ON_ISSUE", &format!("rs:{ON_ISSUE}")));
}

#[tokio::test]
async fn nothing_is_warned_of_where_nothing_is_wrong() {
    assert_eq!(warnings("[webhooks.sources.stripe]\nsecret = \"whsec_a1b2c3d4\"").await, [""; 0]);
}

#[tokio::test]
async fn the_same_secret_for_two_endpoints_of_one_provider_is_only_warned_of() {
    let found = warnings(
        "[webhooks.sources.stripe]\nsecret = \"whsec_a1\"\n\
         [webhooks.sources.stripe-eu]\nprovider = \"stripe\"\nsecret = \"whsec_a1\"",
    )
    .await;
    let one = "the sources `stripe` and `stripe-eu` have the same secret and sign alike: what is signed for one is \
               accepted by the other\n    help: give each endpoint a secret of its own, if the provider can";
    assert_eq!(found, [one]);
}

#[tokio::test]
async fn a_secret_that_was_lent_is_warned_of() {
    let found = warnings("[webhooks.sources.stripe]").await;
    let what = "[webhooks.sources.stripe] in webhooks.toml has no `secret`: until this process ends, it has a random one";
    let help =
        "set it, or WEBHOOKS_SOURCES__STRIPE__SECRET, or `validator = \"none\"` to accept unsigned requests";
    assert_eq!(found, [format!("{what}\n    help: {help}")]);
}

#[tokio::test]
async fn a_tolerance_that_does_nothing_is_warned_of() {
    for (settings, why) in [
        ("provider = \"github\"\nsecret = \"hush\"", Some("no time is signed")),
        ("provider = \"stripe\"\nvalidator = \"none\"", Some("nothing is signed")),
        ("provider = \"stripe\"\nsecret = \"whsec_a1\"", None),
        ("provider = \"contentful\"\nsecret = \"hush\"", None),
    ] {
        let found = warnings(&format!("[webhooks.sources.shop]\ntolerance_seconds = 60\n{settings}")).await;
        let found: Vec<_> = found.iter().filter(|it| it.contains("tolerance_seconds")).collect();
        let expected = why.map(|why| {
            format!(
                "[webhooks.sources.shop] in webhooks.toml: `tolerance_seconds` does nothing here: {why}\n    help: remove it"
            )
        });
        assert_eq!(found, expected.iter().collect::<Vec<_>>(), "{settings}");
    }
}

const PARTICULAR: u32 = line!() + 2;
#[webhook_listener(source = "hmac", retry(max_attempts = 3), order_by = "/customer", concurrency = 2)]
async fn particular() {}

#[tokio::test]
async fn what_only_the_inbox_can_do_is_warned_of_without_one() {
    let source = "[webhooks.sources.hmac]\nsecret = \"hush\"\n";
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("inbox.db");
    let inbox = format!("[webhooks.inbox]\nprovider = \"sqlite\"\npath = \"{}\"\n", path.display());
    let inline = format!("{source}mode = \"inline\"\n{inbox}");
    for (settings, why) in [
        (source, "no inbox is configured"),
        (&inline, "[webhooks.sources.hmac] in webhooks.toml has `mode = \"inline\"`"),
    ] {
        let file = SettingsFile::of(settings);
        let found =
            file.warnings(file.builder().listeners(webhooks::listeners![particular])).await.join("\n");
        for (what, instead) in [
            ("is ordered", "its events come as they come"),
            ("has `retry(…)`", "an event is tried again when its provider sends it again"),
            ("has `concurrency`", "as many of its events are handled at once as come"),
        ] {
            let label =
                format!("`startup_warnings::particular` (tests/tests/startup_warnings.rs:{PARTICULAR})");
            assert!(found.contains(&format!("listener {label} {what}, but {why}: {instead}")), "{found}");
        }
    }
    let file = SettingsFile::of(&format!("{source}{inbox}"));
    assert_eq!(file.warnings(file.builder().listeners(webhooks::listeners![particular])).await, [""; 0]);
}

#[tokio::test]
async fn claims_that_a_restart_forgets_do_not_matter_where_all_is_stored() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("inbox.db");
    let public = "[webhooks.http]\nbind = \"0.0.0.0:8080\"\n[webhooks.sources.hmac]\nsecret = \"hush\"\n";
    let inbox = format!("{public}[webhooks.inbox]\nprovider = \"sqlite\"\npath = \"{}\"\n", path.display());
    assert_eq!(warnings(&inbox).await, [""; 0]);
    let found = warnings(public).await.join("\n");
    assert!(found.contains("remembered in this process only"), "{found}");
}

#[tokio::test]
async fn a_body_that_does_not_fit_into_all_there_is_room_for_is_warned_of() {
    let settings = |room: &str| {
        format!(
            "[webhooks]\nmax_buffered = \"{room}\"\n[webhooks.sources.github]\nsecret = \"hush\"\nmode = \"inline\""
        )
    };
    let found = warnings(&settings("16 MiB")).await;
    let found: Vec<_> = found.iter().filter(|it| it.contains("max_buffered")).collect();
    let one = "[webhooks.sources.github] in webhooks.toml: a body may have 26214400 bytes, but `webhooks.max_buffered` \
               leaves room for 16777216: larger ones are never received\n    help: raise `webhooks.max_buffered` to \
               26214400 or more, or lower the source's `max_body`";
    assert_eq!(found, [one]);
    assert!(!warnings(&settings("25 MiB")).await.iter().any(|it| it.contains("max_buffered")));
}

#[tokio::test]
async fn a_server_that_is_not_used_is_warned_of() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("inbox.db");
    let source = "[webhooks.sources.hmac]\nsecret = \"hush\"\n";
    let inbox = format!(
        "[webhooks.inbox]\nprovider = \"sqlite\"\npath = \"{}\"\nurl = \"postgres://nobody@127.0.0.1/x\"\n{source}",
        path.display()
    );
    let found = warnings(&inbox).await.join("\n");
    let what = "`webhooks.inbox.url` in webhooks.toml is not used: the inbox is a SQLite file\n    help: write \
                `provider = \"postgres\"`, or remove it";
    assert!(found.contains(what), "{found}");
    let redis = |provider: &str| {
        format!("[webhooks.idempotency]\n{provider}redis.url = \"redis://127.0.0.1:1\"\n{source}")
    };
    let found = warnings(&redis("")).await.join("\n");
    let what = "`webhooks.idempotency.redis` in webhooks.toml is not used: claims are kept in memory\n    help: write \
                `provider = \"redis\"` in [webhooks.idempotency], or remove it";
    assert!(found.contains(what), "{found}");
    // Chosen by name, it is meant so: a profile may lay it over a server.
    let found = warnings(&redis("provider = \"in-memory\"\n")).await.join("\n");
    assert!(!found.contains("is not used"), "{found}");
}

#[webhook_listener(source = "line", event = "message")]
async fn on_message() {}

#[tokio::test]
async fn types_that_no_whole_batch_has_are_warned_of() {
    let told = async |batch: bool| {
        let file =
            SettingsFile::of(&format!("[webhooks.sources.line]\nsecret = \"hush\"\nbatch = {batch}\n"));
        let found = file.warnings(file.builder().listeners(webhooks::listeners![on_message])).await;
        found.into_iter().filter(|it| it.contains("on_message")).collect::<Vec<_>>()
    };
    let found = told(false).await.join("\n");
    assert!(
        found.contains("listens to `message`, but [webhooks.sources.line] in webhooks.toml has `batch = false`: all of its events have the type `batch`"),
        "{found}"
    );
    assert!(found.contains("help: listen to `batch`, or remove `batch = false`"), "{found}");
    assert_eq!(told(true).await, [""; 0]);
}
