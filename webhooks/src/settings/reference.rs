//! The reference in `docs/settings.md`: the keys as tables. `WEBHOOKS_TEST_UPDATE=1 cargo test` writes it.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::keys::SETTINGS;
use crate::document::environment_variable;
use crate::document::key::{Key, Keys, Kind};

/// The last line of what people wrote.
const MARK: &str = "the_reference -->\n";

#[test]
fn the_reference_is_current() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/docs/settings.md");
    let page = std::fs::read_to_string(&path).expect("a page");
    let (prose, _) = page.split_once(MARK).expect("the mark");
    let current = format!("{prose}{MARK}{}", reference());
    if std::env::var_os("WEBHOOKS_TEST_UPDATE").is_some() {
        std::fs::write(&path, &current).expect("a file to write to");
        return;
    }
    assert!(
        page == current,
        "docs/settings.md is stale: WEBHOOKS_TEST_UPDATE=1 cargo test -p webhooks the_reference"
    );
}

fn reference() -> String {
    let mut page = String::new();
    table(&mut page, "webhooks", SETTINGS);
    page
}

/// A table of the keys, and the tables below it.
fn table(page: &mut String, path: &str, keys: Keys) {
    // What users describe a provider with has no variables worth naming.
    let variables = !path.contains(".scheme");
    let shown = path.replace("webhooks.sources.NAME.scheme", "….scheme");
    let _ = writeln!(page, "\n## `[{shown}]`\n");
    let (head, line) = if variables { (" variable |", "---|") } else { ("", "") };
    let _ = writeln!(page, "| key | value | default |{head} |\n|---|---|---|{line}---|");
    for key in keys.iter().copied().flatten().filter(|it| !is_table(it)) {
        let variable = match variables {
            true => {
                let by_name = if matches!(key.kind, Kind::TextsByName) { "__KEY" } else { "" };
                format!(" `{}{by_name}` |", environment_variable(&format!("{path}.{}", key.name)))
            }
            false => String::new(),
        };
        let default = if key.default.is_empty() { "–" } else { key.default };
        let _ =
            writeln!(page, "| `{}` | {} | {default} |{variable} {} |", key.name, value(key.kind), key.about);
    }
    for key in keys.iter().copied().flatten().filter(|it| is_table(it)) {
        let below = format!("{path}.{}", key.name);
        match key.kind {
            Kind::Table(keys) | Kind::Tables(keys) => table(page, &below, keys),
            // The same as `[….scheme.signature]`, but for the id.
            Kind::TablesByName(_) if key.name == "variants" => {
                let _ = writeln!(
                    page,
                    "\n## `[….scheme.variants.NAME]`\n\n{} The keys of `[….scheme.signature]`; and in a table \
                     `identity`, those of\n`[….scheme.identity]` that say where id or type stand, if it is another \
                     place with this scheme.",
                    key.about
                );
            }
            Kind::TablesByName(keys) => table(page, &format!("{below}.NAME"), keys),
            _ => {}
        }
    }
}

fn is_table(key: &Key) -> bool {
    matches!(key.kind, Kind::Table(_) | Kind::Tables(_) | Kind::TablesByName(_))
}

fn value(kind: Kind) -> String {
    match kind {
        Kind::Flag => "`true` or `false`".to_owned(),
        Kind::Text => "text".to_owned(),
        Kind::Texts => "text, or a list of texts".to_owned(),
        Kind::Count => "a number".to_owned(),
        Kind::Duration => "a duration".to_owned(),
        Kind::Size => "a size".to_owned(),
        Kind::Word(words) => words().iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", "),
        Kind::Name(_) => "a name that [`providers`](crate::providers) lists".to_owned(),
        Kind::TextsByName => "a table of texts".to_owned(),
        Kind::TextListsByName => "a table of texts, or of lists of them".to_owned(),
        Kind::Table(_) | Kind::Tables(_) | Kind::TablesByName(_) => "a table".to_owned(),
    }
}
