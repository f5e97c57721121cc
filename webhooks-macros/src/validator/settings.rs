//! What the attribute says about a validator.

use proc_macro2::TokenStream;
use syn::{LitStr, Path, parse_quote};

use crate::attribute::{Attribute, Key};
use crate::errors::Errors;
use crate::value;

const KEYS: &[Key] =
    &[Key { name: "name", example: "name = \"acme\"" }, Key { name: "crate", example: "crate = ::webhooks" }];

pub(super) struct Settings {
    /// Without it, the function's name is the validator's.
    pub(super) name: Option<LitStr>,
    pub(super) krate: Path,
}

impl Settings {
    pub(super) fn read(tokens: TokenStream, errors: &mut Errors) -> Self {
        let attribute = Attribute::read(tokens, KEYS, errors);
        Self {
            name: attribute.get("name").and_then(|entry| value::string(entry, errors)),
            krate: attribute
                .get("crate")
                .and_then(|entry| value::path(entry, errors))
                .unwrap_or_else(|| parse_quote!(::webhooks)),
        }
    }
}
