//! What a listener expands to, token for token.

use proc_macro2::TokenStream;
use quote::quote;

use super::expand;

fn assert_expands(attribute: TokenStream, item: TokenStream, generated: TokenStream) {
    assert_eq!(expand(attribute, item.clone()).to_string(), quote!(#item #generated).to_string());
}

#[test]
fn a_listener_is_registered_with_everything_that_was_said() {
    assert_expands(
        quote! {
            source = "stripe", event = ["payment_intent.succeeded", "charge.*"], id = "billing::paid",
            timeout = "1m 30s", retry(max_attempts = 8, base = "5s", max = "1h"), order_by = "/customer",
            on_dead = "block", concurrency = 4, on_error = alerts::failed
        },
        quote! {
            /// Credits the ledger.
            #[cfg(feature = "billing")]
            pub async fn on_paid(Event(p): Event<Payment>, ledger: State<Ledger>) -> webhooks::Result { Ok(()) }
        },
        quote! {
            #[cfg(feature = "billing")]
            #[doc(hidden)]
            pub struct on_paid {}

            #[cfg(feature = "billing")]
            impl ::webhooks::__private::ListenerFn for on_paid {
                const REGISTRATION: ::webhooks::__private::ListenerRegistration =
                    ::webhooks::__private::ListenerRegistration {
                        name: "on_paid",
                        module_path: ::core::module_path!(),
                        id: ::core::option::Option::Some("billing::paid"),
                        file: ::core::file!(), line: ::core::line!(),
                        source: "stripe",
                        events: &["payment_intent.succeeded", "charge.*"],
                        options: ::webhooks::__private::ListenerOptions {
                            timeout: ::core::option::Option::Some(::core::time::Duration::from_millis(90000u64)),
                            retry: ::webhooks::__private::Retry {
                                max_attempts: ::core::option::Option::Some(8u32),
                                base: ::core::option::Option::Some(::core::time::Duration::from_millis(5000u64)),
                                max: ::core::option::Option::Some(::core::time::Duration::from_millis(3600000u64))
                            },
                            order_by: ::core::option::Option::Some(::webhooks::__private::OrderBy {
                                pointer: "/customer", on_dead: ::webhooks::__private::OnDead::Block
                            }),
                            concurrency: ::core::option::Option::Some(4usize),
                        },
                        bind: |__bind| ::webhooks::__private::bind_fn::<
                            (
                                <Event<Payment> as ::webhooks::__private::Argument>::Of,
                                <State<Ledger> as ::webhooks::__private::Argument>::Of,
                            ),
                            _, _, webhooks::Result
                        >(__bind, |(__a0, __a1,)| on_paid(__a0, __a1),),
                        on_error: ::core::option::Option::Some(
                            |__event, __failure| ::webhooks::__private::on_error_future(
                                alerts::failed(__event, __failure)
                            )
                        ),
                    };
            }

            #[cfg(feature = "billing")]
            ::webhooks::__private::inventory::submit! {
                <on_paid as ::webhooks::__private::ListenerFn>::REGISTRATION
            }
        },
    );
}

#[test]
fn what_was_not_said_is_every_event_and_the_defaults() {
    assert_expands(
        quote!(source = "*", crate = crate::renamed),
        quote! {
            async fn r#type() {}
        },
        quote! {
            #[doc(hidden)]
            struct r#type {}

            impl crate::renamed::__private::ListenerFn for r#type {
                const REGISTRATION: crate::renamed::__private::ListenerRegistration =
                    crate::renamed::__private::ListenerRegistration {
                        name: "type",
                        module_path: ::core::module_path!(),
                        id: ::core::option::Option::None,
                        file: ::core::file!(), line: ::core::line!(),
                        source: "*",
                        events: &["*"],
                        options: crate::renamed::__private::ListenerOptions {
                            timeout: ::core::option::Option::None,
                            retry: crate::renamed::__private::Retry {
                                max_attempts: ::core::option::Option::None,
                                base: ::core::option::Option::None,
                                max: ::core::option::Option::None
                            },
                            order_by: ::core::option::Option::None,
                            concurrency: ::core::option::Option::None,
                        },
                        bind: |__bind| crate::renamed::__private::bind_fn::<(), _, _, _>(
                            __bind, |()| r#type(),
                        ),
                        on_error: ::core::option::Option::None,
                    };
            }

            crate::renamed::__private::inventory::submit! {
                <r#type as crate::renamed::__private::ListenerFn>::REGISTRATION
            }
        },
    );
}
