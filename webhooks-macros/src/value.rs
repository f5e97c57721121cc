//! What an entry's value may be: a string, a list of strings, a path.

use proc_macro2::TokenStream;
use syn::{Expr, ExprLit, Lit, LitStr, Path};

use crate::attribute::Entry;
use crate::errors::Errors;

/// A string literal.
pub(crate) fn string(entry: &Entry, errors: &mut Errors) -> Option<LitStr> {
    literal(&entry.value, entry, "a string literal", errors)
}

/// A string literal, or a list of them in brackets.
pub(crate) fn strings(entry: &Entry, errors: &mut Errors) -> Vec<LitStr> {
    let wanted = "a string literal or a list of them";
    match &entry.value {
        Expr::Array(list) => {
            list.elems.iter().filter_map(|element| literal(element, entry, wanted, errors)).collect()
        }
        single => literal(single, entry, wanted, errors).into_iter().collect(),
    }
}

/// A whole number, 1 or more.
pub(crate) fn count(entry: &Entry, errors: &mut Errors) -> Option<u32> {
    let wanted = "a whole number, 1 or more";
    match &entry.value {
        Expr::Lit(ExprLit { lit: Lit::Int(literal), .. }) => {
            let count = literal.base10_parse().ok().filter(|count| *count > 0);
            if count.is_none() {
                wrong_kind(&entry.value, entry, wanted, errors);
            }
            count
        }
        other => {
            wrong_kind(other, entry, wanted, errors);
            None
        }
    }
}

/// What stands in the parentheses of an entry that has entries of its own.
pub(crate) fn entries(entry: &Entry, errors: &mut Errors) -> Option<TokenStream> {
    match &entry.value {
        Expr::Verbatim(entries) => Some(entries.clone()),
        other => {
            wrong_kind(other, entry, "options in parentheses", errors);
            None
        }
    }
}

/// The path of an item.
pub(crate) fn path(entry: &Entry, errors: &mut Errors) -> Option<Path> {
    match &entry.value {
        Expr::Path(path) if path.qself.is_none() => Some(path.path.clone()),
        other => {
            wrong_kind(other, entry, "a path", errors);
            None
        }
    }
}

fn literal(value: &Expr, entry: &Entry, wanted: &str, errors: &mut Errors) -> Option<LitStr> {
    match value {
        Expr::Group(group) => literal(&group.expr, entry, wanted, errors),
        Expr::Lit(ExprLit { lit: Lit::Str(literal), .. }) => Some(literal.clone()),
        other => {
            wrong_kind(other, entry, wanted, errors);
            None
        }
    }
}

fn wrong_kind(value: &Expr, entry: &Entry, wanted: &str, errors: &mut Errors) {
    let (name, example) = (entry.key.name, entry.key.example);
    errors.push_error(syn::Error::new_spanned(
        value,
        format_args!("`{name}` takes {wanted}, as in `{example}`"),
    ));
}
