//! The settings that the documentation shows are settings that can be used.

use std::path::Path;

use support::inside::Recorder;
use toml::{Table, Value};
use webhooks::{Settings, Webhooks};

const PAGES: [&str; 5] = [
    "README.md",
    "webhooks/src/docs/crate.md",
    "webhooks/src/docs/from_pyfly.md",
    "webhooks/src/docs/guide.md",
    "webhooks/src/docs/stores.md",
];

#[tokio::test]
async fn settings_can_be_copied() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for page in PAGES {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(page);
        let text = std::fs::read_to_string(path).expect("a page");
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
