//! The function that an attribute stands on: read as far as its signature, and what no registered
//! function may be.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, FnArg, Ident, Meta, PatType, Safety, Signature, Visibility};

use crate::errors::Errors;

/// A function without its body, which is nobody's business here.
pub(crate) struct Function {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) signature: Signature,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let (visibility, signature) = (input.parse()?, input.parse()?);
        input.parse::<TokenStream>()?;
        Ok(Self { attributes, visibility, signature })
    }
}

impl Function {
    /// Reads a free function: no method, not generic, without qualifiers.
    pub(crate) fn read(item: TokenStream, macro_name: &str, errors: &mut Errors) -> Option<Self> {
        match syn::parse2::<Self>(item) {
            Ok(function) => {
                function.check(macro_name, errors);
                Some(function)
            }
            // The compiler has parsed the item before: if it were a function, so would it be here.
            Err(error) => {
                errors.push(error.span(), format_args!("`#[{macro_name}]` goes on a function"));
                None
            }
        }
    }

    pub(crate) fn name(&self) -> &Ident {
        &self.signature.ident
    }

    /// The arguments; those that have a pattern and a type.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = &PatType> {
        self.signature.inputs.iter().filter_map(|argument| match argument {
            FnArg::Typed(argument) => Some(argument),
            FnArg::Receiver(_) => None,
        })
    }

    /// Whether items of its own can stand beside it: not in an `impl`, where methods are.
    pub(crate) fn is_free(&self) -> bool {
        self.signature.receiver().is_none()
    }

    /// Another attribute of this macro on the same function.
    pub(crate) fn repeated(&self, macro_name: &str) -> Option<&Meta> {
        let is_macro =
            |meta: &&Meta| meta.path().segments.last().is_some_and(|last| last.ident == macro_name);
        self.attributes.iter().map(|attribute| &attribute.meta).find(is_macro)
    }

    fn check(&self, macro_name: &str, errors: &mut Errors) {
        let mut refuse = |part: &dyn ToTokens, message: String| {
            errors.push_error(syn::Error::new_spanned(part.to_token_stream(), message));
        };
        let Signature { constness, safety, abi, generics, variadic, .. } = &self.signature;
        let called = format!("the function under `#[{macro_name}]`");

        if let Some(receiver) = self.signature.receiver() {
            refuse(receiver, format!("{called} cannot take `self`: write a free function"));
        }
        if let Some(constness) = constness {
            refuse(constness, format!("{called} cannot be `const`: leave it out"));
        }
        if let Safety::Unsafe(safety) = safety {
            refuse(safety, format!("{called} cannot be `unsafe`: the library calls it without knowing why"));
        }
        if let Some(abi) = abi {
            refuse(abi, format!("{called} cannot be `extern`: leave it out"));
        }
        if !generics.params.is_empty() {
            refuse(
                generics,
                format!("{called} cannot be generic: it is registered once, with concrete types"),
            );
        }
        if let Some(clause) = &generics.where_clause {
            refuse(clause, format!("{called} cannot have a `where` clause: its types are concrete"));
        }
        if let Some(variadic) = variadic {
            refuse(&variadic.dots, format!("{called} cannot be variadic"));
        }
        for argument in self.arguments() {
            if let Some(span) = impl_keyword(argument.ty.to_token_stream()) {
                errors.push(span, format_args!("{called} cannot take `impl Trait`: name the type"));
            }
        }
        if let Some(meta) = self.repeated(macro_name) {
            let message =
                format!("`#[{macro_name}]` stands on this function twice: write a function for each");
            errors.push_error(syn::Error::new_spanned(meta.path(), message));
        }
    }
}

/// The first `impl` in a type. The keyword has no other meaning there.
pub(crate) fn impl_keyword(ty: TokenStream) -> Option<Span> {
    ty.into_iter().find_map(|token| match token {
        TokenTree::Ident(ident) if ident == "impl" => Some(ident.span()),
        TokenTree::Group(group) => impl_keyword(group.stream()),
        _ => None,
    })
}
