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
/// A variable's name has no hyphens, and a source's may: `STRIPE_EU` is `stripe-eu` where `sources`, the ones that files
/// name, or else the catalogue know that one and no `stripe_eu`.
pub(super) fn settings(variables: impl Iterator<Item = (String, String)>, sources: &[String]) -> Strings {
    let mut dict = Dict::new();
    for (name, value) in variables {
        let Some(key) = name.strip_prefix(PREFIX) else { continue };
        if NOT_SETTINGS.contains(&key) || key.starts_with("TEST_") {
            continue;
        }
        let mut path: Vec<String> = key.split("__").map(str::to_lowercase).collect();
        if let [table, source, ..] = path.as_mut_slice()
            && table == "sources"
        {
            *source = spelled(source, sources).to_owned();
        }
        insert(&mut dict, &path, value);
    }
    let dict = Dict::from([("webhooks".to_owned(), Value::from(dict))]);
    Strings { name: NAME, dict }
}

/// The name that is meant, with the hyphens that a variable cannot have.
fn spelled<'a>(name: &'a str, sources: &'a [String]) -> &'a str {
    let alike = |known: &&str| known.replace('-', "_") == name;
    let in_files = || sources.iter().map(String::as_str);
    in_files()
        .find(|it| *it == name)
        .or_else(|| in_files().find(alike))
        .or_else(|| catalogue::names().find(alike))
        .unwrap_or(name)
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
