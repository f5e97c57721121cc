//! The code for a listener: a hidden type of the function's name, which carries the registration, and the
//! registration's entry in the inventory.
//!
//! What is generated has the macro's span, so that lints leave it alone, and no `allow` is needed that the
//! user may have forbidden. Where the compiler could find something wrong with the user's own code, it is
//! placed at that code. Locals have `mixed_site` spans, so that they capture no name of the user's.

use std::time::Duration;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Path, ReturnType, Type};

use super::handler::Handler;
use super::settings::Settings;
use crate::conditions;
use crate::function::impl_keyword;

/// The registration of a listener.
pub(super) fn registered(handler: &Handler, settings: &Settings) -> TokenStream {
    let krate = &settings.krate;
    let marker = marker(handler, krate, &registration(handler, settings));
    let conditions = conditions::of(&handler.function.attributes);
    let name = type_name(handler);
    quote! {
        #marker

        #conditions
        #krate::__private::inventory::submit! { <#name as #krate::__private::ListenerFn>::REGISTRATION }
    }
}

/// In place of a registration with mistakes: the type alone, which registers nothing, so that
/// `listeners![…]` does not report the listener as missing too. Nothing where the type could not stand.
pub(super) fn inert(handler: &Handler, krate: &Path) -> Option<TokenStream> {
    let function = &handler.function;
    let alone = function.is_free() && function.repeated(super::NAME).is_none();
    let nothing = quote! {
        name: "", module_path: "", id: ::core::option::Option::None, file: "", line: 0, source: "", events: &[],
        options: #krate::__private::ListenerOptions::DEFAULT,
        bind: |_| ::core::option::Option::None,
        on_error: ::core::option::Option::None,
    };
    alone.then(|| marker(handler, krate, &nothing))
}

/// A braced type is in the namespace of types only: it goes wherever the function's name is imported or
/// re-exported, and does not shadow the function.
fn marker(handler: &Handler, krate: &Path, registration: &TokenStream) -> TokenStream {
    let conditions = conditions::of(&handler.function.attributes);
    let visibility = &handler.function.visibility;
    let name = type_name(handler);
    let definition = quote_spanned!(name.span()=> struct #name {});
    quote! {
        #conditions
        #[doc(hidden)]
        #visibility #definition

        #conditions
        impl #krate::__private::ListenerFn for #name {
            const REGISTRATION: #krate::__private::ListenerRegistration =
                #krate::__private::ListenerRegistration { #registration };
        }
    }
}

fn registration(handler: &Handler, settings: &Settings) -> TokenStream {
    let Settings { source, events, id, on_error, krate, .. } = settings;
    let function = handler.function.name();
    let name = function.unraw().to_string();
    // With the function's own span, the compiler's place is the function and not the attribute.
    let place = quote_spanned! {function.span()=> file: ::core::file!(), line: ::core::line!(), };
    let id = option(id.as_ref());
    let options = options(settings);
    let bind = bind(handler, krate);
    let on_error = option(on_error.as_ref().map(|path| on_error_call(path, krate)));
    quote! {
        name: #name,
        module_path: ::core::module_path!(),
        id: #id,
        #place
        source: #source,
        events: &[#(#events),*],
        options: #options,
        bind: #bind,
        on_error: #on_error,
    }
}

fn options(settings: &Settings) -> TokenStream {
    let Settings { timeout, retry, order_by, concurrency, krate, .. } = settings;
    let timeout = option(timeout.map(duration));
    let max_attempts = option(retry.max_attempts);
    let (base, max) = (option(retry.base.map(duration)), option(retry.max.map(duration)));
    let order_by = option(order_by.as_ref().map(|order| {
        let pointer = &order.pointer;
        let on_dead = if order.dead_blocks { quote!(Block) } else { quote!(Skip) };
        quote! {
            #krate::__private::OrderBy { pointer: #pointer, on_dead: #krate::__private::OnDead::#on_dead }
        }
    }));
    let concurrency = option(concurrency.and_then(|it| usize::try_from(it).ok()));
    quote! {
        #krate::__private::ListenerOptions {
            timeout: #timeout,
            retry: #krate::__private::Retry { max_attempts: #max_attempts, base: #base, max: #max },
            order_by: #order_by,
            concurrency: #concurrency,
        }
    }
}

fn duration(duration: Duration) -> TokenStream {
    // The grammar counts in milliseconds of this width.
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    quote!(::core::time::Duration::from_millis(#millis))
}

/// The function takes its arguments one by one, the library gives them as a tuple.
///
/// All of it stands at the function's name: there the compiler says that the future is not `Send`.
fn bind(handler: &Handler, krate: &Path) -> TokenStream {
    let function = handler.function.name();
    let types = handler.arguments.iter().map(|ty| argument(ty, krate));
    let output = output(&handler.function.signature.output);
    let bind = local("bind");
    let arguments: Vec<_> =
        (0..handler.arguments.len()).map(|position| local(&format!("a{position}"))).collect();
    quote_spanned! {generated_at(function.span())=>
        |#bind| #krate::__private::bind_fn::<(#(#types,)*), _, _, #output>(
            #bind,
            |(#(#arguments,)*)| #function(#(#arguments),*),
        )
    }
}

/// The argument's type by way of the library's `Argument`, which every extractor is.
///
/// The bound of a tuple is reported at the tuple. A projection is reported where it stands, and ends there:
/// what cannot be projected has no type that could be wrong once more in the tuple.
fn argument(ty: &Type, krate: &Path) -> TokenStream {
    let mut spans = ty.to_token_stream().into_iter().map(|token| token.span());
    let first = spans.next().unwrap_or_else(Span::call_site);
    let last = spans.last().unwrap_or(first);
    let start = quote_spanned!(generated_at(first)=> <);
    let end = quote_spanned!(generated_at(last)=> ::Of);
    quote!(#start #ty as #krate::__private::Argument> #end)
}

/// The return type, so that what is wrong with it is reported there.
fn output(output: &ReturnType) -> TokenStream {
    match output {
        ReturnType::Type(_, ty) if impl_keyword(ty.to_token_stream()).is_none() => quote!(#ty),
        _ => quote!(_),
    }
}

fn on_error_call(path: &Path, krate: &Path) -> TokenStream {
    let (event, failure) = (local("event"), local("failure"));
    let call = quote_spanned! {path.span()=> #path(#event, #failure) };
    quote!(|#event, #failure| #krate::__private::on_error_future(#call))
}

fn option(value: Option<impl ToTokens>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}

fn type_name(handler: &Handler) -> Ident {
    let mut name = handler.function.name().clone();
    name.set_span(generated_at(name.span()));
    name
}

/// Shown at this place, but the macro's: lints about what the user writes do not apply.
fn generated_at(place: Span) -> Span {
    Span::call_site().located_at(place)
}

fn local(name: &str) -> Ident {
    format_ident!("__{name}", span = Span::mixed_site())
}
