//! The settings that the documentation shows can be used, and the words of the scheme language are all explained.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use support::inside::Recorder;
use toml::{Table, Value};
use webhooks::{Settings, Webhooks};

/// Those that show none.
const WITHOUT_SETTINGS: [&str; 2] = ["observability.md", "testing.md"];

#[tokio::test]
async fn settings_can_be_copied() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for path in pages() {
        let page = path.file_name().expect("a name").to_string_lossy();
        let text = std::fs::read_to_string(&path).expect("a page");
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
        assert_eq!(found == 0, WITHOUT_SETTINGS.contains(&&*page), "{page} shows {found} settings");
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

/// The reader of a line finds there what it means.
#[test]
fn every_warning_and_error_is_in_the_chapter_on_observability() {
    let chapter = std::fs::read_to_string(root().join("webhooks/src/docs/observability.md")).expect("a page");
    let mut files = Vec::new();
    sources(&root().join("webhooks/src"), &mut files);
    let mut found = 0;
    for file in files {
        let code = std::fs::read_to_string(&file).expect("a file");
        for message in messages(&code) {
            found += 1;
            // What is filled in is an ellipsis in the chapter.
            let told = message.split(['{', '}']).step_by(2).all(|part| chapter.contains(part));
            assert!(told, "{}: docs/observability.md does not have \"{message}\"", file.display());
        }
    }
    assert!(found > 30, "the messages were not found: {found}");
}

/// The messages of the warnings and errors that are logged: the last text in each call.
fn messages(code: &str) -> impl Iterator<Item = &str> {
    let calls = ["tracing::warn!(", "tracing::error!("].into_iter().flat_map(|call| code.split(call).skip(1));
    calls.filter_map(|rest| arguments(rest).trim_end().strip_suffix('"')?.rsplit('"').next())
}

/// What stands before the parenthesis that closes the call.
fn arguments(rest: &str) -> &str {
    let (mut depth, mut in_text) = (1, false);
    let end = rest.find(|c| {
        match c {
            '"' => in_text = !in_text,
            '(' if !in_text => depth += 1,
            ')' if !in_text => depth -= 1,
            _ => {}
        }
        depth == 0
    });
    &rest[..end.unwrap_or(rest.len())]
}

fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => sources(&path, files),
            false if path.extension().is_some_and(|it| it == "rs") => files.push(path),
            false => {}
        }
    }
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

/// The README, and every chapter.
fn pages() -> Vec<PathBuf> {
    let chapters = std::fs::read_dir(root().join("webhooks/src/docs")).expect("a folder");
    let mut pages: Vec<_> = chapters.map(|it| it.expect("a file").path()).collect();
    pages.push(root().join("README.md"));
    pages
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
            let secret = match name.as_str() {
                // Their keys are published.
                "aws-sns" | "google-pubsub" => continue,
                "wise" => include_str!("../keys/public.pem").to_owned(),
                _ => format!("the secret of {name}"),
            };
            source.insert("secret".to_owned(), Value::String(secret));
        }
    } else {
        settings.insert(
            "sources".to_owned(),
            "hmac.secret = \"topsecret\"".parse::<Table>().expect("TOML").into(),
        );
    }
}
