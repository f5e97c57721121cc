//! The settings that the documentation shows can be used, and the words of the scheme language are all explained.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use support::inside::Recorder;
use toml::{Table, Value};
use webhooks::{Settings, Webhooks};

const PAGES: [&str; 7] = [
    "README.md",
    "webhooks/src/docs/crate.md",
    "webhooks/src/docs/effects.md",
    "webhooks/src/docs/from_pyfly.md",
    "webhooks/src/docs/guide.md",
    "webhooks/src/docs/schemes.md",
    "webhooks/src/docs/stores.md",
];

#[tokio::test]
async fn settings_can_be_copied() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for page in PAGES {
        let text = std::fs::read_to_string(root().join(page)).expect("a page");
        let mut found = 0;
        for block in blocks_of_toml(&text) {
            let mut table: Table = block.parse().unwrap_or_else(|error| panic!("{page}: {error}\n{block}"));
            let Some(Value::Table(mut settings)) = table.remove("webhooks") else { continue };
            found += 1;
            without_surroundings(&mut settings, folder.path());
            let settings: Settings = toml::to_string(&settings).expect("TOML").parse().expect("settings");
            let builder = Webhooks::builder().settings(settings).listener(Recorder::new("*"));
            if let Err(error) = builder.build().await {
                panic!("{page}: {error}\n{block}");
            }
        }
        assert!(found > 0, "{page} shows no settings");
    }
}

#[test]
fn every_word_of_the_catalogue_is_explained() {
    let mut words = BTreeSet::new();
    for file in std::fs::read_dir(root().join("webhooks/src/catalogue")).expect("a folder") {
        let path = file.expect("a file").path();
        if path.extension().is_some_and(|it| it == "toml") {
            let provider: Table = std::fs::read_to_string(&path).expect("a file").parse().expect("TOML");
            gather(&provider, &mut words);
        }
    }
    assert!(words.len() > 40, "the catalogue was not found: {words:?}");
    let page = std::fs::read_to_string(root().join("webhooks/src/docs/schemes.md")).expect("a page");
    words.retain(|word| !page.contains(&format!("`{word}`")) && !page.contains(&format!("`[{word}]`")));
    words.remove("challenges"); // It is written `[[challenges]]`.
    assert!(words.is_empty(), "docs/schemes.md does not say what these are: {words:?}");
}

/// All keys that are the language's, and not a header's, a path's or somebody's name.
fn gather(table: &Table, words: &mut BTreeSet<String>) {
    for (key, value) in table {
        words.insert(key.clone());
        let entries_are_names = ["header", "headers", "query", "form", "json", "require", "type_names"];
        match value {
            Value::Table(variants) if key == "variants" => {
                variants.values().filter_map(Value::as_table).for_each(|it| gather(it, words));
            }
            Value::Table(inner) if !entries_are_names.contains(&key.as_str()) => gather(inner, words),
            Value::Array(items) => items.iter().filter_map(Value::as_table).for_each(|it| gather(it, words)),
            _ => {}
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn blocks_of_toml(page: &str) -> impl Iterator<Item = &str> {
    page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next())
}

/// What a page cannot have: servers, files of the reader's, real secrets.
fn without_surroundings(settings: &mut Table, folder: &Path) {
    let mut set = |table: &str, key: &str, value: &str| {
        if let Some(Value::Table(table)) = settings.get_mut(table) {
            table.insert(key.to_owned(), Value::String(value.to_owned()));
        }
    };
    set("idempotency", "provider", "in-memory");
    set("inbox", "path", &folder.join("webhooks.db").to_string_lossy());
    if let Some(Value::Table(sources)) = settings.get_mut("sources") {
        for (name, source) in sources.iter_mut() {
            let source = source.as_table_mut().expect("a source is a table");
            source.retain(|key, _| !key.starts_with("secret"));
            source.insert("secret".to_owned(), Value::String(format!("the secret of {name}")));
        }
    } else {
        settings.insert(
            "sources".to_owned(),
            "hmac.secret = \"topsecret\"".parse::<Table>().expect("TOML").into(),
        );
    }
}
