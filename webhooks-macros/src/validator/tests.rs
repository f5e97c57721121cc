//! What a validator expands to, and what is wrong with one.

use quote::quote;

use super::expand;
use crate::testing::{contains, messages};

#[test]
fn a_validator_is_registered_by_its_name() {
    let item = quote! {
        #[cfg(unix)]
        pub fn acme(secrets: Secrets) -> impl SignatureValidator { Acme::new(secrets) }
    };
    let generated = quote! {
        #[cfg(unix)]
        ::webhooks::__private::inventory::submit! {
            ::webhooks::__private::ValidatorRegistration {
                name: "acme-v2",
                file: ::core::file!(), line: ::core::line!(),
                build: |__secrets| ::webhooks::__private::build_validator(acme(__secrets)),
            }
        }
    };
    let expansion = expand(quote!(name = "acme-v2"), item.clone());
    assert_eq!(expansion.to_string(), quote!(#item #generated).to_string());
}

#[test]
fn without_a_name_it_is_the_functions() {
    let expansion = expand(
        quote!(),
        quote!(
            fn r#acme(_: Secrets) -> Acme {
                Acme
            }
        ),
    );
    assert!(contains(&expansion, &quote!(name: "acme")));
}

#[test]
fn every_mistake_is_reported_at_once_and_the_function_stays() {
    let item = quote!(
        async fn acme<T>(a: &T, b: u8) {
            body
        }
    );
    let expansion = expand(quote!(name = "", key = 1), item.clone());
    assert!(contains(&expansion, &item));
    assert!(!contains(&expansion, &quote!(submit!)));
    assert_eq!(messages(expansion).len(), 7);
}

#[test]
fn a_method_is_one_mistake() {
    let messages = messages(expand(
        quote!(),
        quote!(
            fn acme(self) -> Acme {
                Acme
            }
        ),
    ));
    assert_eq!(messages.len(), 1, "{messages:?}");
}
