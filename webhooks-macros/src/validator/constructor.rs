//! The function that makes a validator.

use proc_macro2::{Span, TokenStream};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{ReturnType, Type};

use super::NAME;
use super::settings::Settings;
use crate::errors::Errors;
use crate::function::Function;
use crate::grammar;

/// A function from secrets to a validator, and the name that settings know it by.
pub(super) struct Constructor {
    pub(super) function: Function,
    pub(super) name: String,
    /// Where the argument's type stands.
    pub(super) argument: Span,
}

impl Constructor {
    pub(super) fn read(item: TokenStream, settings: &Settings, errors: &mut Errors) -> Option<Self> {
        let function = Function::read(item, NAME, errors)?;
        if let Some(asyncness) = &function.signature.asyncness {
            errors.push(
                asyncness.span,
                "a validator is made at startup, before anything is async: leave out `async`; what has to be \
                 fetched is fetched by the validator itself",
            );
        }
        if matches!(function.signature.output, ReturnType::Default) {
            errors.push(
                function.name().span(),
                "this function has to return the validator: `-> impl SignatureValidator`, or a `Result` of one",
            );
        }
        let argument = argument(&function, errors);
        let name = name(&function, settings, errors);
        Some(Self { function, name, argument })
    }
}

fn argument(function: &Function, errors: &mut Errors) -> Span {
    let message = "this function takes exactly one argument, the source's secrets: `secrets: Secrets`";
    let mut arguments = function.arguments();
    let Some(first) = arguments.next() else {
        // A `self` was reported already, and is what stands in the argument's place.
        if function.is_free() {
            errors.push(function.signature.paren_token.span.join(), message);
        }
        return Span::call_site();
    };
    if let Type::Reference(reference) = &*first.ty {
        let message = "the secrets are given by value: leave out the `&`";
        errors.push_error(syn::Error::new_spanned(reference, message));
    }
    for surplus in arguments {
        errors.push_error(syn::Error::new_spanned(surplus, message));
    }
    first.ty.span()
}

fn name(function: &Function, settings: &Settings, errors: &mut Errors) -> String {
    let (name, span, hint) = match &settings.name {
        Some(name) => (name.value(), name.span(), ""),
        None => {
            let name = function.name();
            (name.unraw().to_string(), name.span(), "; set another with `name = \"…\"`")
        }
    };
    if let Err(message) = grammar::validator_name(&name) {
        errors.push(span, format_args!("{message}{hint}"));
    }
    name
}
