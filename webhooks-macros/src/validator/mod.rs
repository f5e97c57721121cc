//! `#[webhook_validator]`.

mod constructor;
mod expand;
mod settings;
#[cfg(test)]
mod tests;

use proc_macro2::TokenStream;
use quote::quote;

use self::constructor::Constructor;
use self::settings::Settings;
use crate::errors::Errors;

const NAME: &str = "webhook_validator";

/// The user's function as it was written, and its registration or what is wrong with it.
pub(crate) fn expand(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let settings = Settings::read(attribute, &mut errors);
    let constructor = Constructor::read(item.clone(), &settings, &mut errors);

    let generated = match errors.seal(constructor) {
        Ok(constructor) => constructor.map(|constructor| expand::registered(&constructor, &settings.krate)),
        Err(mistakes) => Some(mistakes),
    };
    quote!(#item #generated)
}
