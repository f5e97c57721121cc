//! What is wrong with a listener, and what is emitted all the same.

use quote::quote;

use super::expand;
use crate::testing::{contains, messages};

#[test]
fn every_mistake_is_reported_at_once() {
    let expansion = expand(
        quote!(source = "", evnt = "push", timeout = 5, id = "a b"),
        quote!(
            fn f<T>(_: &T) {}
        ),
    );
    assert_eq!(messages(expansion).len(), 7);
}

#[test]
fn a_mistake_leaves_the_function_and_its_type_but_no_registration() {
    let function = quote!(async fn on_paid(event: Event<Payment>) -> webhooks::Result { whatever it @ is });
    let expansion = expand(quote!(source = ""), function.clone());
    assert!(contains(&expansion, &function));
    assert!(contains(
        &expansion,
        &quote!(
            struct on_paid {}
        )
    ));
    assert!(contains(&expansion, &quote!(impl ::webhooks::__private::ListenerFn for on_paid)));
    assert!(!contains(&expansion, &quote!(submit!)));
}

#[test]
fn a_method_or_a_second_attribute_leaves_no_room_for_the_type() {
    for item in [
        quote!(
            async fn f(&self) {}
        ),
        quote!(
            #[webhooks::webhook_listener(source = "b")]
            async fn f() {}
        ),
    ] {
        let expansion = expand(quote!(source = "a"), item);
        assert!(!contains(&expansion, &quote!(struct f)));
        assert_eq!(messages(expansion).len(), 1);
    }
}

#[test]
fn a_key_that_was_attempted_is_not_missing_besides() {
    for attribute in
        [quote!("stripe"), quote!(sorce = "stripe"), quote!(source), quote!(source =), quote!(source = 7)]
    {
        let messages = messages(expand(
            attribute.clone(),
            quote!(
                async fn f() {}
            ),
        ));
        assert_eq!(messages.len(), 1, "{attribute}: {messages:?}");
    }
}

#[test]
fn reading_goes_on_after_a_mistake_in_the_syntax() {
    let attribute = quote!(source = "a" event = "b", , = 3, id ? "x", "y", timeout = "0s",);
    let messages = messages(expand(
        attribute,
        quote!(
            async fn f() {}
        ),
    ));
    assert_eq!(messages.len(), 6, "{messages:?}");
}

#[test]
fn no_qualifier_goes_unnoticed() {
    for item in [
        quote!(
            const async fn f() {}
        ),
        quote!(
            async unsafe fn f() {}
        ),
        quote!(
            async extern "C" fn f() {}
        ),
        quote!(
            async fn f(_: u8, ...) {}
        ),
        quote!(
            async fn f()
            where
                u8: Copy,
            {
            }
        ),
        quote!(
            async fn f<'a>() {}
        ),
        quote!(
            async fn f(_: Event<(u8, impl Send)>) {}
        ),
        quote!(
            mod f {}
        ),
        quote!(),
    ] {
        let messages = messages(expand(quote!(source = "a"), item.clone()));
        assert_eq!(messages.len(), 1, "{item}: {messages:?}");
    }
}

#[test]
fn what_a_run_may_be_asked_is_checked() {
    for attribute in [
        quote!(retry = 8),
        quote!(retry(attempts = 8)),
        quote!(retry(max_attempts = 0)),
        quote!(retry(base = "soon")),
        quote!(retry(base = "5s", base = "6s")),
        quote!(order_by = "customer"),
        quote!(order_by = 7),
        quote!(order_by = "/customer", on_dead = "wait"),
        quote!(on_dead = "block"),
        quote!(concurrency = 0),
        quote!(concurrency = "4"),
        quote!(concurrency(4)),
    ] {
        let function = quote!(
            async fn f() {}
        );
        let messages = messages(expand(quote!(source = "a", #attribute), function));
        assert_eq!(messages.len(), 1, "{attribute}: {messages:?}");
    }
}
