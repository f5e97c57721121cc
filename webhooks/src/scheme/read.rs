//! What the readers of all tables of the language have in common.

use http::HeaderName;

use super::json::JsonPath;
use crate::document::TableReader;

/// Reads an optional key: the default where it is missing, `None` where it is wrong.
pub(super) fn or_default<T>(
    reader: &TableReader<'_>,
    key: &str,
    read: impl FnOnce(&str) -> Option<T>,
    default: T,
) -> Option<T> {
    if reader.has(key) { read(key) } else { Some(default) }
}

pub(super) fn required(reader: &TableReader<'_>, key: &str, help: &str) -> Option<String> {
    if !reader.has(key) {
        reader.problem(key, "is missing", format!("give {help}"));
        return None;
    }
    nonempty(reader, key)
}

pub(super) fn nonempty(reader: &TableReader<'_>, key: &str) -> Option<String> {
    let text = reader.string(key)?;
    if text.is_empty() {
        reader.problem(key, "is empty", "write at least one character");
        return None;
    }
    Some(text)
}

/// A header's name under `key`.
pub(super) fn header(reader: &TableReader<'_>, key: &str) -> Option<HeaderName> {
    parse_header(reader, key, &reader.string(key)?)
}

pub(super) fn parse_header(reader: &TableReader<'_>, key: &str, name: &str) -> Option<HeaderName> {
    let parsed = name.parse().ok();
    if parsed.is_none() {
        reader.problem(key, "this is not a header's name", "write it as the provider does: \"X-Signature\"");
    }
    parsed
}

/// A path such as `$.data.id` under `key`.
pub(super) fn json_path(reader: &TableReader<'_>, key: &str) -> Option<JsonPath> {
    parse_path(reader, key, &reader.string(key)?)
}

pub(super) fn parse_path(reader: &TableReader<'_>, key: &str, text: &str) -> Option<JsonPath> {
    let path = JsonPath::parse(text);
    if path.is_none() {
        reader.problem(
            key,
            "this is not a path",
            "write `$.key.key` from the document, or `@.key` from a batch's element",
        );
    }
    path
}
