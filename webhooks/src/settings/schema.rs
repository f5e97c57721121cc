//! The settings file's JSON Schema, from the keys.

use serde_json::{Map, Value, json};

use super::keys::{SETTINGS, SOURCE};
use crate::catalogue;
use crate::document::key::{Key, Keys, Kind};
use crate::scheme::PROVIDER;

/// The JSON Schema (draft 7) of `webhooks.toml`, with which editors complete keys and mark mistakes.
///
/// The same is in the repository as `docs/webhooks.schema.json`. With the Even Better TOML extension or `taplo`, name it
/// in the first line of the settings file; a path works as well as a URL:
///
/// ```toml
/// #:schema https://raw.githubusercontent.com/webhooks-rs/webhooks/main/docs/webhooks.schema.json
/// ```
///
/// `definitions.provider` is the schema of a provider of one's own: of `[webhooks.sources.NAME.scheme]`, and of a file of
/// the catalogue. The startup checks more than a schema can say, and says more about it.
///
/// ```
/// let schema = webhooks::settings_schema();
/// let sources = &schema["properties"]["webhooks"]["properties"]["sources"];
/// assert!(sources["properties"]["stripe"].is_object());
/// ```
pub fn settings_schema() -> Value {
    let source = json!({ "$ref": "#/definitions/source" });
    let mut settings = table(SETTINGS);
    let sources = &mut settings["properties"]["sources"];
    // The providers' names are completed; any other is as good.
    let named: Map<String, Value> =
        catalogue::names().map(|name| (name.to_owned(), source.clone())).collect();
    sources["properties"] = named.into();
    sources["additionalProperties"] = source;
    sources["propertyNames"] = json!({ "pattern": "^[a-z0-9_-]{1,64}$" });
    let mut source = table(SOURCE);
    let scheme = &mut source["properties"]["scheme"];
    // Draft 7 ignores whatever stands beside a reference.
    *scheme =
        json!({ "description": scheme["description"], "allOf": [{ "$ref": "#/definitions/provider" }] });
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "webhooks.toml",
        "description": "Settings of the `webhooks` crate.",
        "type": "object",
        "properties": { "webhooks": settings },
        "definitions": { "source": source, "provider": table(PROVIDER) },
    })
}

/// `"1h 30m"`; a bare number is seconds. As the `units` of documents are read.
const DURATION: &str = "^\\s*([0-9]+\\s*(ms|s|sec|seconds?|m|min|minutes?|h|hours?|d|days?)?\\s*)+$";
/// `"1 MiB"`; a bare number is bytes.
const SIZE: &str = "^\\s*[0-9]+\\s*([bB]|[kKmMgG]([iI]?[bB])?)?\\s*$";

fn table(keys: Keys) -> Value {
    let mut properties = Map::new();
    let mut aliases = Map::new();
    for key in keys.iter().copied().flatten() {
        properties.insert(key.name.to_owned(), described(key));
        if let Some(alias) = key.kebab_case() {
            // Accepted, and not completed: one spelling is enough.
            aliases.insert(format!("^{alias}$"), value(key.kind));
        }
    }
    let mut table = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if !aliases.is_empty() {
        table["patternProperties"] = aliases.into();
    }
    table
}

fn described(key: &Key) -> Value {
    let mut schema = value(key.kind);
    let about = match key.default {
        "" => key.about.to_owned(),
        default => format!("{} Default: {default}.", key.about),
    };
    schema["description"] = about.into();
    schema
}

fn value(kind: Kind) -> Value {
    let number = json!({ "type": "integer", "minimum": 0 });
    let text = json!({ "type": "string" });
    match kind {
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Text => text,
        Kind::Texts => json!({ "anyOf": [text, { "type": "array", "items": { "type": "string" } }] }),
        Kind::Count => number,
        Kind::Duration => json!({ "anyOf": [{ "type": "string", "pattern": DURATION }, number] }),
        Kind::Size => json!({ "anyOf": [{ "type": "string", "pattern": SIZE }, number] }),
        Kind::Word(words) | Kind::Name(words) => json!({ "enum": words() }),
        Kind::Table(keys) => table(keys),
        Kind::Tables(keys) => {
            let table = table(keys);
            json!({ "anyOf": [{ "type": "array", "items": table }, table] })
        }
        Kind::TextsByName => json!({ "type": "object", "additionalProperties": text }),
        Kind::TextListsByName => {
            json!({ "type": "object", "additionalProperties": value(Kind::Texts) })
        }
        Kind::TablesByName(keys) => json!({ "type": "object", "additionalProperties": table(keys) }),
    }
}

#[cfg(test)]
mod tests;
