//! `#[webhook_listener]`.

mod expand;
#[cfg(test)]
mod golden;
mod handler;
mod settings;
#[cfg(test)]
mod tests;

use proc_macro2::TokenStream;
use quote::quote;

use self::handler::Handler;
use self::settings::Settings;
use crate::errors::Errors;

const NAME: &str = "webhook_listener";

/// The user's function as it was written, and its registration or what is wrong with it.
pub(crate) fn expand(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let settings = Settings::read(attribute, &mut errors);
    let handler = Handler::read(item.clone(), &mut errors);

    let generated = match errors.seal(handler.as_ref()) {
        Ok(handler) => handler.map(|handler| expand::registered(handler, &settings)),
        Err(mistakes) => {
            let inert = handler.as_ref().and_then(|handler| expand::inert(handler, &settings.krate));
            Some(quote!(#mistakes #inert))
        }
    };
    quote!(#item #generated)
}
