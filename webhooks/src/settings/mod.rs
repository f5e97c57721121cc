//! Settings: defaults, then `webhooks.toml` (or the file that `WEBHOOKS_CONFIG` names), then `WEBHOOKS_…` environment
//! variables; or a [`figment::Figment`] of the user's own. The only place that reads figment.
//!
//! What is loaded is a tree that remembers where each value was written; [`config`] reads it into typed settings and
//! notes every mistake with its place.

use std::fmt;

use figment::value::Dict;
use figment::{Metadata, Profile, Provider};
use serde::{Deserialize, Deserializer};

use crate::document::{Node, Origin, Table, Value};
use crate::problem::Problems;

pub(crate) mod config;
pub(crate) mod inbox;
pub(crate) mod source;

mod environment;
mod keys;
mod load;
#[cfg(test)]
mod reference;
mod schema;
mod tree;

pub(crate) use load::{from_figment, from_surroundings};
pub use schema::settings_schema;
pub(crate) use tree::merge;

/// Settings as a value: a part of an application's own configuration, or read from text.
///
/// They are read and checked at startup, together with everything else that can be wrong.
///
/// ```
/// # use webhooks::Settings;
/// #[derive(serde::Deserialize)]
/// struct AppConfig {
///     database: String,
///     webhooks: Settings,
/// }
///
/// let settings: Settings = r#"
///     sources.stripe.secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
/// "#.parse().unwrap();
/// # let _ = webhooks::Webhooks::builder().settings(settings);
/// ```
#[derive(Clone, Default)]
pub struct Settings {
    /// What stands under `webhooks`.
    pub(crate) table: Table,
}

/// Reads TOML; the keys are those under `webhooks`.
impl std::str::FromStr for Settings {
    type Err = crate::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let origin = Origin::Other("the settings given as text".into());
        let problems = Problems::default();
        let table = load::parse_toml(text, "the settings given as text", &problems)
            .map(|table| match Node::from_toml(toml::Value::Table(table), &origin).value {
                Value::Table(table) => table,
                _ => Table::new(),
            })
            .unwrap_or_default();
        if problems.is_empty() {
            Ok(Self { table })
        } else {
            Err(crate::Error::of_settings(problems.into_errors()))
        }
    }
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let dict = Dict::deserialize(deserializer)?;
        let origin = Origin::Other("the settings given in code".into());
        Ok(Self { table: load::table_from_dict(dict, &|_| origin.clone()) })
    }
}

/// Prints which keys there are, not what they hold.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.table.keys()).finish()
    }
}

/// Makes figment take a tree of plain strings, so that nothing is guessed about their types.
struct Strings {
    name: &'static str,
    dict: Dict,
}

impl Provider for Strings {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name)
    }

    fn data(&self) -> Result<figment::value::Map<Profile, Dict>, figment::Error> {
        Ok(figment::value::Map::from([(Profile::Global, self.dict.clone())]))
    }
}
