//! `WEBHOOKS_…` variables as a tree of strings.
//!
//! figment's own provider guesses types (`0012` becomes the number 12), which no secret survives.

use figment::value::{Dict, Value};

use super::Strings;
use crate::catalogue;

/// By this name the provenance of a value is recognised.
pub(super) const NAME: &str = "webhooks environment variables";

const PREFIX: &str = "WEBHOOKS_";

/// These say where to load from, or belong to the tests; they are no settings.
const NOT_SETTINGS: [&str; 3] = ["CONFIG", "PROFILE", "VECTORS"];

/// The settings among the variables: `WEBHOOKS_SOURCES__STRIPE__SECRET` is `webhooks.sources.stripe.secret`.
///
/// `written` is what stands under `webhooks` already. A variable's name has no hyphen and no small letter, so that it
/// names a key that is written there with them too: `stripe-eu` is `STRIPE_EU`. A source that is not there may be one of
/// the catalogue's: `LEMON_SQUEEZY`. What is expected of a header stands under the header's name, `X_SHOP_DOMAIN`.
pub(super) fn settings(variables: impl Iterator<Item = (String, String)>, written: &Dict) -> Strings {
    let mut dict = Dict::new();
    for (name, value) in variables {
        let Some(key) = key(&name) else { continue };
        let mut path: Vec<String> = key.split("__").map(str::to_lowercase).collect();
        if let [table, source, ..] = path.as_mut_slice()
            && table == "sources"
        {
            let sources = written.get("sources").and_then(Value::as_dict);
            let known = as_written(source, sources).or_else(|| alike(source, catalogue::names()));
            *source = known.unwrap_or(source).to_owned();
            if let [_, source, table, header] = path.as_mut_slice()
                && table == "expect"
            {
                // Neither a path nor a claim can be a variable's name, and headers have hyphens.
                let expected = sources.and_then(|it| it.get(source)).and_then(Value::as_dict);
                let expected = expected.and_then(|it| it.get("expect")).and_then(Value::as_dict);
                *header =
                    as_written(header, expected).map_or_else(|| header.replace('_', "-"), str::to_owned);
            }
        }
        insert(&mut dict, &path, value, Some(written));
    }
    let dict = Dict::from([("webhooks".to_owned(), Value::from(dict))]);
    Strings { name: NAME, dict }
}

/// Whether a variable of this name is a setting.
pub(super) fn is_ours(name: &str) -> bool {
    key(name).is_some()
}

/// What a variable sets.
fn key(name: &str) -> Option<&str> {
    name.strip_prefix(PREFIX).filter(|it| !NOT_SETTINGS.contains(it) && !it.starts_with("TEST_"))
}

fn insert(dict: &mut Dict, path: &[String], value: String, written: Option<&Dict>) {
    match path {
        [] => {}
        [key] => {
            let key = as_written(key, written).unwrap_or(key);
            dict.entry(key.to_owned()).or_insert_with(|| Value::from(value));
        }
        [key, rest @ ..] => {
            let key = as_written(key, written).unwrap_or(key);
            let below = written.and_then(|it| it.get(key)).and_then(Value::as_dict);
            let entry = dict.entry(key.to_owned()).or_insert_with(|| Value::from(Dict::new()));
            if !matches!(entry, Value::Dict(..)) {
                // `A=…` and `A__B=…`: the more particular one is meant.
                *entry = Value::from(Dict::new());
            }
            if let Value::Dict(_, inner) = entry {
                insert(inner, rest, value, below);
            }
        }
    }
}

/// The key that is written there, and means the same.
fn as_written<'a>(key: &str, written: Option<&'a Dict>) -> Option<&'a str> {
    let written = written?;
    let same = written.get_key_value(key).map(|(it, _)| it.as_str());
    same.or_else(|| alike(key, written.keys().map(String::as_str)))
}

/// The first that is the same but for what a variable's name cannot have.
fn alike<'a>(key: &str, mut names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names.find(|it| it.to_lowercase().replace('-', "_") == key)
}
