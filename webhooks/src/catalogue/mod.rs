//! The vocabulary: what is known about each provider, one TOML file each, and the validators that users name.
//!
//! The files are written in the language that [`scheme`](crate::scheme) reads, the same that users write their
//! own providers in. Adding one is adding a file here: the build script finds it.

mod github;
mod hmac;
mod info;
mod no_op;
mod single_header;
mod stripe;
mod twilio;

use std::sync::Arc;

use crate::document::{Node, Origin, TableReader, Value};
use crate::problem::Problems;
use crate::scheme::Provider;

pub use github::GitHubSignatureValidator;
pub use hmac::HmacSignatureValidator;
pub use info::{ProviderInfo, providers};
pub use no_op::NoOpSignatureValidator;
pub use stripe::StripeSignatureValidator;
pub use twilio::TwilioSignatureValidator;

// `FILES`: name and text of every file, sorted by name.
include!(concat!(env!("OUT_DIR"), "/catalogue.rs"));

/// The names of all providers, sorted.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name)
}

/// A provider's table as it is written, for a user's own settings to be merged over it.
pub(crate) fn table(name: &str) -> Option<Node> {
    let index = FILES.binary_search_by_key(&name, |(it, _)| it).ok()?;
    let table: toml::Table = toml::from_str(FILES[index].1).ok()?;
    let origin = Origin::Other(Arc::from(format!("the catalogue's {name}")));
    Some(Node::from_toml(toml::Value::Table(table), &origin))
}

/// A provider as the catalogue knows it.
pub(crate) fn provider(name: &str) -> Option<Provider> {
    let problems = Problems::default();
    read(name, &problems)
}

fn read(name: &str, problems: &Problems) -> Option<Provider> {
    let node = table(name)?;
    let Value::Table(table) = &node.value else { return None };
    Provider::read(name, TableReader::new(table, "", node.origin.clone(), problems))
}

#[cfg(test)]
mod tests;
