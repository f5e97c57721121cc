//! The catalogue as a page, `webhooks::docs::providers`.

use std::fmt::Write as _;
use std::sync::LazyLock;

use toml::{Table, Value};

/// Every provider, a line each.
pub(crate) fn page(providers: &[(String, Table)]) -> String {
    let mut page = String::from(
        "Every provider that a source can be of, written from the catalogue's files.\n\n\
         *Body*: how much of it the signature speaks for. **weakly**: another body with the same signature can be made.\n\
         **in part**: some fields of it. **not at all**: whoever sees one request can send anything with what vouches\n\
         for it, so that the way here must be TLS to the end. *One key for all*: the vendor signs for all of its customers\n\
         with it, so that a source needs an `expect`. *Evidence*: **vendor** means that the vendor's documentation, library\n\
         or tests were read. Where it says **second-hand**, nobody has compared the description with anything of the\n\
         vendor's: try it with a real delivery before you rely on it.\n\n\
         | name | provider | signature | body | id | type | handshake | evidence |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for (name, provider) in providers {
        let identity = table(provider, "identity");
        let title = match string(provider, "docs") {
            Some(docs) => format!("[{}]({docs})", string(provider, "title").unwrap_or(name)),
            None => string(provider, "title").unwrap_or(name).to_owned(),
        };
        let cells = [
            format!("`{name}`"),
            title,
            signatures(provider),
            body(provider).to_owned(),
            id(identity),
            kind(identity),
            handshakes(provider),
            if flag(provider, "unverified") { "second-hand" } else { "vendor" }.to_owned(),
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
    if string(provider, "key_owner") == Some("vendor") {
        lines.push("one key for all".to_owned());
    }
    lines.join("<br>")
}

/// How much of the body is signed.
fn body(provider: &Table) -> &'static str {
    let scheme = table(provider, "signature");
    let signs = !matches!(string(scheme, "algorithm"), Some("token" | "basic" | "none"))
        && string(scheme, "content").is_none_or(|content| content.contains("{body}"));
    match string(scheme, "covers_body").unwrap_or(if signs { "full" } else { "none" }) {
        "full" => "signed",
        "weak" => "signed, **weakly**",
        "partial" => "signed **in part**",
        _ => "**not at all** signed",
    }
}

fn signature(scheme: &Table) -> String {
    if let Some(summary) = string(scheme, "summary") {
        return summary.to_owned();
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
    static EMPTY: LazyLock<Table> = LazyLock::new(Table::new);
    table.get(key).and_then(Value::as_table).unwrap_or(&EMPTY)
}

fn string<'t>(table: &'t Table, key: &str) -> Option<&'t str> {
    table.get(key).and_then(Value::as_str)
}

fn flag(table: &Table, key: &str) -> bool {
    table.get(key).and_then(Value::as_bool).unwrap_or(false)
}
