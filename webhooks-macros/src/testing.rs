//! What the tests of both macros share.

use proc_macro2::{TokenStream, TokenTree};

/// The messages that an expansion reports, in order.
pub(crate) fn messages(expansion: TokenStream) -> Vec<String> {
    let mut messages = Vec::new();
    let mut reporting = false;
    for token in expansion {
        match token {
            TokenTree::Ident(ident) => reporting = ident == "compile_error",
            TokenTree::Group(group) if reporting => {
                messages.extend(syn::parse2::<syn::LitStr>(group.stream()).map(|text| text.value()));
            }
            _ => {}
        }
    }
    messages
}

/// Whether `part` stands in `expansion`, token for token.
pub(crate) fn contains(expansion: &TokenStream, part: &TokenStream) -> bool {
    expansion.to_string().contains(&part.to_string())
}
