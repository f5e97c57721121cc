//! The conditions of compilation of a function, for what is generated beside it.

use proc_macro2::TokenStream;
use quote::quote;
use syn::punctuated::Punctuated;
use syn::{Attribute, Meta, Token};

/// The `#[cfg]`s among a function's attributes, and what `#[cfg_attr]`s make of them.
///
/// Attributes above the macro were already evaluated by the compiler; those below it arrive here.
pub(crate) fn of(attributes: &[Attribute]) -> TokenStream {
    attributes
        .iter()
        .filter_map(|attribute| condition(&attribute.meta))
        .map(|meta| quote!(#[#meta]))
        .collect()
}

/// Whether an attribute may remove what it stands on.
pub(crate) fn is_condition(attribute: &Attribute) -> bool {
    condition(&attribute.meta).is_some()
}

fn condition(meta: &Meta) -> Option<TokenStream> {
    if meta.path().is_ident("cfg") {
        return Some(quote!(#meta));
    }
    if !meta.path().is_ident("cfg_attr") {
        return None;
    }
    // The other attributes in it (`tracing::instrument`, say) are for the function alone.
    let list = meta.require_list().ok()?;
    let parts = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).ok()?;
    let mut parts = parts.iter();
    let predicate = parts.next()?;
    let conditions: Vec<_> = parts.filter_map(condition).collect();
    (!conditions.is_empty()).then(|| quote!(cfg_attr(#predicate, #(#conditions),*)))
}

#[cfg(test)]
mod tests {
    use quote::quote;
    use syn::parse_quote;

    #[test]
    fn only_conditions_are_copied() {
        let copied = super::of(&[
            parse_quote!(#[doc = "Credits the ledger."]),
            parse_quote!(#[cfg(feature = "billing")]),
            parse_quote!(#[cfg_attr(test, allow(dead_code))]),
            parse_quote!(#[cfg_attr(feature = "trace", tracing::instrument, cfg(unix))]),
        ]);
        let expected = quote! {
            #[cfg(feature = "billing")]
            #[cfg_attr(feature = "trace", cfg(unix))]
        };
        assert_eq!(copied.to_string(), expected.to_string());
    }
}
