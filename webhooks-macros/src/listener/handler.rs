//! The function that listens.

use proc_macro2::TokenStream;
use syn::{PatType, Type};

use super::NAME;
use crate::conditions;
use crate::errors::Errors;
use crate::function::Function;

/// The library implements its arguments for tuples up to this length.
const MAX_ARGUMENTS: usize = 16;

/// An async function whose arguments can be extracted.
pub(super) struct Handler {
    pub(super) function: Function,
    pub(super) arguments: Vec<Type>,
}

impl Handler {
    pub(super) fn read(item: TokenStream, errors: &mut Errors) -> Option<Self> {
        let function = Function::read(item, NAME, errors)?;
        if function.signature.asyncness.is_none() {
            errors.push(
                function.signature.fn_token.span,
                format_args!("a listener is an async function: write `async fn {}`", function.name()),
            );
        }
        let mut arguments = Vec::new();
        for (position, argument) in function.arguments().enumerate() {
            check_argument(position, argument, errors);
            arguments.push((*argument.ty).clone());
        }
        Some(Self { function, arguments })
    }
}

fn check_argument(position: usize, argument: &PatType, errors: &mut Errors) {
    if position == MAX_ARGUMENTS {
        let message =
            format!("a listener takes at most {MAX_ARGUMENTS} arguments; group some in one extractor");
        errors.push_error(syn::Error::new_spanned(argument, message));
    }
    if let Type::Reference(reference) = &*argument.ty {
        let message = "a listener takes its arguments by value: leave out the `&`";
        errors.push_error(syn::Error::new_spanned(reference, message));
    }
    if let Some(attribute) = argument.attrs.iter().find(|attribute| conditions::is_condition(attribute)) {
        let message =
            "an argument cannot be conditional: write the function twice, under opposite conditions";
        errors.push_error(syn::Error::new_spanned(attribute, message));
    }
}
