//! `docs/providers.md`: the catalogue as a page. `WEBHOOKS_TEST_UPDATE=1 cargo test` writes it.

use std::fmt::Write as _;
use std::path::PathBuf;

use toml::{Table, Value};

use super::FILES;

#[test]
fn the_page_is_current() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/providers.md");
    let page = page();
    if std::env::var_os("WEBHOOKS_TEST_UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder to write to");
        std::fs::write(&path, &page).expect("a page");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/providers.md is stale: WEBHOOKS_TEST_UPDATE=1 cargo test -p webhooks the_page"
    );
}

fn page() -> String {
    let mut page = String::from(
        "# Providers\n\n\
         Written from `webhooks/src/catalogue/*.toml` by a test; change those.\n\n\
         *Evidence*: **vendor** means that the vendor's documentation, library or tests were read. Where it says\n\
         **second-hand**, nobody has compared the description with anything of the vendor's: try it with a real delivery\n\
         before you rely on it.\n\n\
         | name | provider | signature | id | type | handshake | evidence |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for (name, text) in FILES {
        let provider: Table = toml::from_str(text).expect("TOML");
        let identity = table(&provider, "identity");
        let title = match string(&provider, "docs") {
            Some(docs) => format!("[{}]({docs})", string(&provider, "title").unwrap_or(name)),
            None => string(&provider, "title").unwrap_or(name).to_owned(),
        };
        let cells = [
            format!("`{name}`"),
            title,
            signatures(&provider),
            id(identity),
            kind(identity),
            handshakes(&provider),
            if flag(&provider, "unverified") { "second-hand".to_owned() } else { "vendor".to_owned() },
        ];
        let cells: Vec<_> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        let _ = writeln!(page, "| {} |", cells.join(" | "));
    }
    page
}

fn signatures(provider: &Table) -> String {
    let mut lines = vec![signature(table(provider, "signature"))];
    for (name, variant) in table(provider, "variants") {
        let variant = variant.as_table().map(signature).unwrap_or_default();
        lines.push(format!("`variant = \"{name}\"`: {variant}"));
    }
    lines.join("<br>")
}

fn signature(scheme: &Table) -> String {
    if string(scheme, "validator").is_some() {
        return "a scheme of its own".to_owned();
    }
    let place = ["header", "json", "query"].iter().find_map(|key| Some(codes(scheme.get(*key)?)));
    let place = place.unwrap_or_else(|| "`Authorization`".to_owned());
    match string(scheme, "algorithm").unwrap_or_default() {
        "token" => format!("the secret itself in {place}"),
        "basic" => format!("user and password in {place}"),
        "none" => "none".to_owned(),
        algorithm => {
            let content = string(scheme, "content").unwrap_or("{body}");
            format!("{algorithm} of `{content}` in {place}")
        }
    }
}

fn id(identity: &Table) -> String {
    if flag(identity, "no_id") {
        return "none: not deduplicated".to_owned();
    }
    let mut places: Vec<String> =
        ["id_header", "id"].iter().filter_map(|key| Some(codes(identity.get(*key)?))).collect();
    if flag(identity, "id_digest") {
        places.push("the body's digest".to_owned());
    }
    if flag(identity, "id_optional") {
        places.push("none".to_owned());
    }
    places.join(", else ")
}

fn kind(identity: &Table) -> String {
    let mut places: Vec<String> =
        ["type_header", "type"].iter().filter_map(|key| Some(codes(identity.get(*key)?))).collect();
    if let Some(action) = string(identity, "type_action") {
        places = places.iter().map(|place| format!("{place} . `{action}`")).collect();
    }
    if identity.contains_key("type_key") {
        places.push("the name of the member that is there".to_owned());
    }
    if let Some(constant) = string(identity, "type_constant") {
        places.push(format!("always `{constant}`"));
    }
    let batch = string(identity, "batch").map_or(String::new(), |batch| format!("; many in `{batch}`"));
    places.join(", else ").replace(", else always", ", else") + &batch
}

fn handshakes(provider: &Table) -> String {
    let Some(Value::Array(rules)) = provider.get("challenges") else { return String::new() };
    let rule = |rule: &Table| {
        let signed = if flag(rule, "signed") { "signed " } else { "" };
        let stores = if flag(rule, "store") { ", brings the secret" } else { "" };
        format!("{signed}{}{stores}", string(rule, "method").unwrap_or("POST"))
    };
    rules.iter().filter_map(Value::as_table).map(rule).collect::<Vec<_>>().join(", ")
}

fn codes(value: &Value) -> String {
    match value {
        Value::Array(items) => items.iter().map(codes).collect::<Vec<_>>().join(" or "),
        Value::String(text) => format!("`{text}`"),
        other => other.to_string(),
    }
}

fn table<'t>(table: &'t Table, key: &str) -> &'t Table {
    static EMPTY: std::sync::LazyLock<Table> = std::sync::LazyLock::new(Table::new);
    table.get(key).and_then(Value::as_table).unwrap_or(&EMPTY)
}

fn string<'t>(table: &'t Table, key: &str) -> Option<&'t str> {
    table.get(key).and_then(Value::as_str)
}

fn flag(table: &Table, key: &str) -> bool {
    table.get(key).and_then(Value::as_bool).unwrap_or(false)
}
