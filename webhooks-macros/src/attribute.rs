//! The `key = value, …` of an attribute: its syntax and its set of keys, not yet what they mean.

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Expr, Ident, Token, parenthesized, token};

use crate::errors::Errors;
use crate::suggest;

/// A key that a macro knows.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// How it is written, for error messages.
    pub(crate) example: &'static str,
}

impl Key {
    /// Whether it is written with entries of its own: `retry(max_attempts = 8)`.
    fn has_entries(&self) -> bool {
        self.example.strip_prefix(self.name).is_some_and(|rest| rest.starts_with('('))
    }
}

/// The entries of an attribute: known keys only, each at most once.
#[derive(Default)]
pub(crate) struct Attribute {
    entries: Vec<Entry>,
    /// The keys that were given, and those that unreadable entries were most likely meant to be.
    attempted: Vec<&'static str>,
}

/// One `key = value`.
pub(crate) struct Entry {
    pub(crate) key: &'static Key,
    pub(crate) span: Span,
    pub(crate) value: Expr,
}

impl Attribute {
    /// Reads what stands between the parentheses. The first key is the one that is named as an example.
    ///
    /// A mistake costs only the entry that it is in: reading goes on after the next comma.
    pub(crate) fn read(tokens: TokenStream, keys: &'static [Key], errors: &mut Errors) -> Self {
        let mut attribute = Self::default();
        let parser = |input: ParseStream<'_>| {
            while !input.is_empty() {
                if let Err(error) = attribute.read_entry(input, keys) {
                    errors.push_error(error);
                    skip_to_comma(input);
                }
                if !input.is_empty()
                    && let Err(error) = input.parse::<Token![,]>()
                {
                    errors.push_error(error);
                }
            }
            Ok(())
        };
        if let Err(error) = parser.parse2(tokens) {
            errors.push_error(error);
        }
        attribute
    }

    /// The entry of this key, if it was given and could be read.
    pub(crate) fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key.name == name)
    }

    /// Whether this key was not so much as attempted: to report it as missing besides would mislead.
    pub(crate) fn lacks(&self, name: &str) -> bool {
        !self.attempted.contains(&name)
    }

    fn read_entry(&mut self, input: ParseStream<'_>, keys: &'static [Key]) -> syn::Result<()> {
        let (key, span) = self.read_key(input, keys)?;
        let value = read_value(input, key, span)?;
        self.entries.push(Entry { key, span, value });
        Ok(())
    }

    fn read_key(
        &mut self,
        input: ParseStream<'_>,
        keys: &'static [Key],
    ) -> syn::Result<(&'static Key, Span)> {
        if !input.peek(Ident::peek_any) {
            let example = keys.first().map_or("", |key| key.example);
            self.attempted.extend(keys.first().map(|key| key.name));
            return Err(input.error(format_args!("expected `key = value`, as in `{example}`")));
        }
        let ident = Ident::parse_any(input)?;
        let name = ident.unraw().to_string();
        let Some(key) = keys.iter().find(|key| key.name == name) else {
            let near = suggest::closest(&name, keys.iter().map(|key| key.name));
            self.attempted.extend(near);
            return Err(syn::Error::new(ident.span(), unknown(&name, near, keys)));
        };
        self.attempted.push(key.name);
        if self.get(key.name).is_some() {
            return Err(syn::Error::new(ident.span(), format_args!("`{name}` is given twice")));
        }
        Ok((key, ident.span()))
    }
}

fn read_value(input: ParseStream<'_>, key: &Key, span: Span) -> syn::Result<Expr> {
    if key.has_entries() && input.peek(token::Paren) {
        let entries;
        parenthesized!(entries in input);
        return entries.parse().map(Expr::Verbatim);
    }
    let assigned = input.parse::<Option<Token![=]>>()?.is_some();
    if !assigned || input.is_empty() || input.peek(Token![,]) {
        return Err(syn::Error::new(span, format_args!("`{}` takes a value: `{}`", key.name, key.example)));
    }
    input.parse().map(peel)
}

/// A value that comes out of a `macro_rules!` variable is wrapped in an invisible group.
fn peel(value: Expr) -> Expr {
    match value {
        Expr::Group(group) => peel(*group.expr),
        value => value,
    }
}

fn unknown(name: &str, near: Option<&str>, keys: &[Key]) -> String {
    if let Some(near) = near {
        return format!("unknown key `{name}`; did you mean `{near}`?");
    }
    let keys: Vec<_> = keys.iter().map(|key| format!("`{}`", key.name)).collect();
    format!("unknown key `{name}`; the keys are {}", keys.join(", "))
}

fn skip_to_comma(input: ParseStream<'_>) {
    while !input.is_empty() && !input.peek(Token![,]) {
        // Any token tree parses as one, so the loop moves on; if not, there is nothing left to skip.
        if input.parse::<TokenTree>().is_err() {
            return;
        }
    }
}
