//! What an entry's value may be: a string, a list of strings, a path.

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
