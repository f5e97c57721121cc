//! `WEBHOOKS_…` variables as a tree of strings.
//!
//! figment's own provider guesses types (`0012` becomes the number 12), which no secret survives.

use figment::value::{Dict, Value};

use super::Strings;

/// By this name the provenance of a value is recognised.
pub(super) const NAME: &str = "webhooks environment variables";

const PREFIX: &str = "WEBHOOKS_";

/// These say where to load from, or belong to the tests; they are no settings.
const NOT_SETTINGS: [&str; 3] = ["CONFIG", "PROFILE", "VECTORS"];

/// The settings among the variables: `WEBHOOKS_SOURCES__STRIPE__SECRET` is `webhooks.sources.stripe.secret`.
pub(super) fn settings(variables: impl Iterator<Item = (String, String)>) -> Strings {
    let mut dict = Dict::new();
    for (name, value) in variables {
        let Some(key) = name.strip_prefix(PREFIX) else { continue };
        if NOT_SETTINGS.contains(&key) || key.starts_with("TEST_") {
            continue;
        }
        let path: Vec<String> = key.split("__").map(str::to_lowercase).collect();
        insert(&mut dict, &path, value);
    }
    let dict = Dict::from([("webhooks".to_owned(), Value::from(dict))]);
    Strings { name: NAME, dict }
}

fn insert(dict: &mut Dict, path: &[String], value: String) {
    match path {
        [] => {}
        [key] => {
            dict.entry(key.clone()).or_insert_with(|| Value::from(value));
        }
        [key, rest @ ..] => {
            let entry = dict.entry(key.clone()).or_insert_with(|| Value::from(Dict::new()));
            if !matches!(entry, Value::Dict(..)) {
                // `A=…` and `A__B=…`: the more particular one is meant.
                *entry = Value::from(Dict::new());
            }
            if let Value::Dict(_, inner) = entry {
                insert(inner, rest, value);
            }
        }
    }
}
