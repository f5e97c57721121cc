//! The code for a validator: its entry in the inventory.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Path;

use super::constructor::Constructor;
use crate::conditions;

/// The registration of a validator.
pub(super) fn registered(constructor: &Constructor, krate: &Path) -> TokenStream {
    let Constructor { function, name, argument } = constructor;
    let conditions = conditions::of(&function.attributes);
    let function = function.name();
    // With the function's own span, the compiler's place is the function and not the attribute.
    let place = quote_spanned! {function.span()=> file: ::core::file!(), line: ::core::line!(), };
    // Named so that it is no user's name, and placed so that a wrong type is reported where it stands.
    let secrets = Ident::new("__secrets", Span::mixed_site());
    let given = Ident::new("__secrets", Span::mixed_site().located_at(*argument));
    let call = quote_spanned! {function.span()=> #function(#given) };
    quote! {
        #conditions
        #krate::__private::inventory::submit! {
            #krate::__private::ValidatorRegistration {
                name: #name,
                #place
                build: |#secrets| #krate::__private::build_validator(#call),
            }
        }
    }
}
