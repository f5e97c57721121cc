//! The schema that editors complete the settings file with: it accepts what the startup accepts, and marks what it marks.

use std::path::{Path, PathBuf};

use jsonschema::Validator;
use serde_json::{Value, json};
use support::inside::Recorder;
use webhooks::{Settings, Webhooks};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The schema of the settings file.
fn settings() -> Validator {
    jsonschema::validator_for(&webhooks::settings_schema()).expect("a schema")
}

/// The schema of a provider by itself.
fn provider() -> Validator {
    let definitions = webhooks::settings_schema()["definitions"].clone();
    let schema = json!({ "$ref": "#/definitions/provider", "definitions": definitions });
    jsonschema::validator_for(&schema).expect("a schema")
}

fn parse(text: &str) -> Value {
    let table: toml::Table = text.parse().unwrap_or_else(|error| panic!("{error}\n{text}"));
    serde_json::to_value(table).expect("TOML without dates")
}

/// What the schema has against it.
fn flaws(schema: &Validator, document: &Value) -> Vec<String> {
    schema.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// What the startup has against it.
async fn problems(text: &str) -> Vec<String> {
    let document: toml::Table = text.parse().expect("TOML");
    let settings = toml::to_string(&document["webhooks"]).expect("TOML");
    let settings: Settings = settings.parse().expect("settings");
    let builder = Webhooks::builder().settings(settings).listener(Recorder::new("*"));
    match builder.build().await {
        Ok(_) => Vec::new(),
        Err(error) => error.problems().iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn the_schema_is_one() {
    assert!(jsonschema::meta::is_valid(&webhooks::settings_schema()));
}

#[test]
fn every_provider_of_the_catalogue_is_valid() {
    let schema = provider();
    let mut seen = 0;
    for file in std::fs::read_dir(root().join("webhooks/src/catalogue")).expect("the catalogue") {
        let path = file.expect("a file").path();
        if path.extension().is_none_or(|it| it != "toml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a provider");
        assert_eq!(flaws(&schema, &parse(&text)), [""; 0], "{}", path.display());
        seen += 1;
    }
    assert_eq!(seen, webhooks::providers().count(), "each of them");
}

#[test]
fn every_example_in_the_documentation_is_valid() {
    let schema = settings();
    let mut examples = 0;
    let pages = std::fs::read_dir(root().join("webhooks/src/docs")).expect("pages");
    let pages = pages.map(|it| it.expect("a page").path());
    for page in pages.chain([root().join("README.md")]) {
        let text = std::fs::read_to_string(&page).expect("a page");
        let page = page.display();
        for block in text.split("```toml\n").skip(1) {
            let block = block.split("```").next().unwrap_or_default();
            assert_eq!(flaws(&schema, &parse(block)), [""; 0], "{page}:\n{block}");
            examples += usize::from(block.contains("[webhooks"));
        }
    }
    assert!(examples >= 8, "{examples}");
}

const SOURCE: &str = "[webhooks.sources.shop]\nprovider = \"hmac\"\nsecret = \"hush\"\n";

#[tokio::test]
async fn what_is_accepted_at_startup_is_valid() {
    let schema = settings();
    for text in [
        "",
        "[webhooks]\nmax-body = \"2 MiB\"\nmax_in_flight = 9\ndrain-delay = 0",
        "[webhooks.idempotency]\nttl-seconds = 99999999\nlease = \"1m\"",
        "[webhooks.sources.stripe]\nsecrets = [\"whsec_a1\", \"whsec_b2\"]\ntolerance-seconds = 60",
        "[webhooks.sources.shop.scheme.signature]\nprefix = \"v1=\"",
        "[webhooks.sources.own]\nsecret = \"hush2\"\n[webhooks.sources.own.scheme]\n\
         signature = { header = \"X-Mac\", algorithm = \"hmac-sha256\" }\nidentity = { id = \"$.id\", type = \"$.type\" }",
        // Whatever stands beside it is another's.
        "[database]\nurl = \"postgres:\"",
    ] {
        let text = format!("{SOURCE}{text}");
        assert_eq!(problems(&text).await, [""; 0], "{text}");
        assert_eq!(flaws(&schema, &parse(&text)), [""; 0], "{text}");
    }
}

#[tokio::test]
async fn what_is_refused_at_startup_is_marked() {
    let schema = settings();
    for text in [
        "[webhooks]\nmax_boddy = 1",
        "[webhooks]\nenabled = \"yes\"",
        "[webhooks]\nmax_in_flight = -1",
        "[webhooks.http]\nbind = 8080",
        "[webhooks.idempotency]\nprovider = \"in-memroy\"",
        "[webhooks.sources.stripe]\nsecret = 12",
        "[webhooks.sources.billing]\nprovider = \"strpe\"",
        "[webhooks.sources.\"Not A Name\"]\nprovider = \"hmac\"",
        "[webhooks.sources.github]\nsecret = \"a\"\nreplay_guard = \"on\"",
        "[webhooks.sources.github]\nsecret = \"a\"\nexpect = { X-Topic = 1 }",
        "[webhooks.sources.github]\nsecret = \"a\"\nscheme.signature.algorithm = \"md5\"",
        "[webhooks.sources.github]\nsecret = \"a\"\nscheme.signature.timestamp = { haeder = \"a\" }",
        "[webhooks.sources.github]\nsecret = \"a\"\nscheme.challenges = [{ method = \"PUT\" }]",
    ] {
        let text = format!("{SOURCE}{text}");
        assert_ne!(problems(&text).await, [""; 0], "{text}");
        assert_ne!(flaws(&schema, &parse(&text)), [""; 0], "{text}");
    }
}

#[tokio::test]
async fn durations_and_sizes_are_the_same_to_both() {
    let schema = settings();
    let durations = [
        "30s", "5 min", "1h 30m", "1h30m", "250ms", " 2 d ", "7", "", " ", "s", "1.5h", "5 weeks", "-5s",
        "10S", "5 m in",
    ];
    let sizes = [
        "1 MiB", "500 kB", "64k", "1gb", "7", "3B", " 1 M ", "", "MiB", "1.5 MiB", "1 TiB", "-1", "1 2",
        "1 kb b",
    ];
    let samples =
        durations.iter().map(|it| ("drain_delay", *it)).chain(sizes.iter().map(|it| ("max_body", *it)));
    let mut refused = 0;
    for (key, sample) in samples {
        let text = format!("{SOURCE}[webhooks]\n{key} = \"{sample}\"");
        let read = problems(&text).await.is_empty();
        assert_eq!(flaws(&schema, &parse(&text)).is_empty(), read, "{key} = {sample:?}");
        refused += usize::from(!read);
    }
    assert!(refused >= 10, "{refused}");
}
