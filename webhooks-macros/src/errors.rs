//! Gathers mistakes, so that one compilation shows them all.

use std::fmt::Display;

use proc_macro2::{Span, TokenStream};

/// The mistakes found so far.
///
/// Whoever finds one reports it here and goes on with a placeholder. That is safe because [`seal`](Self::seal)
/// is the only way out: a model that was read with mistakes never reaches an expansion.
#[derive(Default)]
#[must_use = "mistakes that are not sealed are not reported"]
pub(crate) struct Errors(Option<syn::Error>);

impl Errors {
    /// Reports `message` at `span`.
    pub(crate) fn push(&mut self, span: Span, message: impl Display) {
        self.push_error(syn::Error::new(span, message));
    }

    /// Reports an error of syn's own.
    pub(crate) fn push_error(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(errors) => errors.combine(error),
            none => *none = Some(error),
        }
    }

    /// Lets `model` out if nothing was wrong; otherwise every mistake, as code that reports it.
    pub(crate) fn seal<T>(self, model: T) -> Result<T, TokenStream> {
        match self.0 {
            None => Ok(model),
            Some(errors) => Err(errors.into_compile_error()),
        }
    }
}
