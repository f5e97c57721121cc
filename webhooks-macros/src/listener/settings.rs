//! What the attribute says about a listener.

use std::collections::HashSet;
use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use syn::{LitStr, Path, parse_quote};

use crate::attribute::{Attribute, Entry, Key};
use crate::errors::Errors;
use crate::{grammar, value};

/// A new key is a line here, a field of [`Settings`] and, unless the registration itself has a place for
/// it, a field of the library's `ListenerOptions`, which the expansion writes out in full.
const KEYS: &[Key] = &[
    Key { name: "source", example: "source = \"stripe\"" },
    Key { name: "event", example: "event = \"payment_intent.succeeded\"" },
    Key { name: "id", example: "id = \"billing::on_paid\"" },
    Key { name: "timeout", example: "timeout = \"30s\"" },
    Key { name: "retry", example: "retry(max_attempts = 8, base = \"5s\", max = \"1h\")" },
    Key { name: "order_by", example: "order_by = \"/data/object/customer\"" },
    Key { name: "on_dead", example: "on_dead = \"block\"" },
    Key { name: "concurrency", example: "concurrency = 4" },
    Key { name: "on_error", example: "on_error = report_failure" },
    Key { name: "crate", example: "crate = ::webhooks" },
];

/// Those of `retry(…)`.
const RETRY_KEYS: &[Key] = &[
    Key { name: "max_attempts", example: "max_attempts = 8" },
    Key { name: "base", example: "base = \"5s\"" },
    Key { name: "max", example: "max = \"1h\"" },
];

/// How a failed run is tried again.
#[derive(Default)]
pub(super) struct Retry {
    pub(super) max_attempts: Option<u32>,
    pub(super) base: Option<Duration>,
    pub(super) max: Option<Duration>,
}

/// By what events are ordered.
pub(super) struct OrderBy {
    pub(super) pointer: String,
    pub(super) dead_blocks: bool,
}

pub(super) struct Settings {
    pub(super) source: String,
    pub(super) events: Vec<String>,
    pub(super) id: Option<String>,
    pub(super) timeout: Option<Duration>,
    pub(super) retry: Retry,
    pub(super) order_by: Option<OrderBy>,
    pub(super) concurrency: Option<u32>,
    pub(super) on_error: Option<Path>,
    pub(super) krate: Path,
}

impl Settings {
    pub(super) fn read(tokens: TokenStream, errors: &mut Errors) -> Self {
        let attribute = Attribute::read(tokens, KEYS, errors);
        Self {
            source: source(&attribute, errors),
            events: events(attribute.get("event"), errors),
            id: attribute.get("id").and_then(|entry| id(entry, errors)),
            timeout: attribute.get("timeout").and_then(|entry| timeout(entry, errors)),
            retry: attribute.get("retry").map(|entry| retry(entry, errors)).unwrap_or_default(),
            order_by: order_by(&attribute, errors),
            concurrency: attribute.get("concurrency").and_then(|entry| value::count(entry, errors)),
            on_error: attribute.get("on_error").and_then(|entry| value::path(entry, errors)),
            krate: attribute
                .get("crate")
                .and_then(|entry| value::path(entry, errors))
                .unwrap_or_else(|| parse_quote!(::webhooks)),
        }
    }
}

fn source(attribute: &Attribute, errors: &mut Errors) -> String {
    if attribute.lacks("source") {
        errors.push(
            Span::call_site(),
            "a listener needs a source: `source = \"stripe\"`, or `source = \"*\"` for every source",
        );
    }
    let text = attribute.get("source").and_then(|entry| value::string(entry, errors));
    text.map(|text| checked(&text, grammar::source, errors)).unwrap_or_default()
}

/// Without the key, a listener hears everything.
fn events(entry: Option<&Entry>, errors: &mut Errors) -> Vec<String> {
    let Some(entry) = entry else {
        return vec!["*".to_owned()];
    };
    let patterns = value::strings(entry, errors);
    if matches!(&entry.value, syn::Expr::Array(list) if list.elems.is_empty()) {
        errors.push(entry.span, "the list of events is empty; leave `event` out to listen to every event");
    }
    let mut seen = HashSet::new();
    for pattern in &patterns {
        if !seen.insert(pattern.value()) {
            errors.push(pattern.span(), format_args!("the event {:?} is in the list twice", pattern.value()));
        }
    }
    patterns.iter().map(|pattern| checked(pattern, grammar::pattern, errors)).collect()
}

fn id(entry: &Entry, errors: &mut Errors) -> Option<String> {
    Some(checked(&value::string(entry, errors)?, grammar::listener_id, errors))
}

fn timeout(entry: &Entry, errors: &mut Errors) -> Option<Duration> {
    let text = value::string(entry, errors)?;
    grammar::duration(&text.value()).map_err(|message| errors.push(text.span(), message)).ok()
}

fn retry(entry: &Entry, errors: &mut Errors) -> Retry {
    let Some(entries) = value::entries(entry, errors) else { return Retry::default() };
    let attribute = Attribute::read(entries, RETRY_KEYS, errors);
    Retry {
        max_attempts: attribute.get("max_attempts").and_then(|entry| value::count(entry, errors)),
        base: attribute.get("base").and_then(|entry| timeout(entry, errors)),
        max: attribute.get("max").and_then(|entry| timeout(entry, errors)),
    }
}

fn order_by(attribute: &Attribute, errors: &mut Errors) -> Option<OrderBy> {
    let on_dead = attribute.get("on_dead");
    let dead_blocks = on_dead.and_then(|entry| {
        let text = value::string(entry, errors)?;
        match text.value().as_str() {
            "skip" => Some(false),
            "block" => Some(true),
            _ => {
                errors.push(text.span(), "`on_dead` is \"skip\" or \"block\"");
                None
            }
        }
    });
    if let Some(entry) = on_dead.filter(|_| attribute.lacks("order_by")) {
        errors.push(entry.span, "`on_dead` is about events in order: say `order_by` too");
    }
    let text = value::string(attribute.get("order_by")?, errors)?;
    let pointer = checked(&text, grammar::pointer, errors);
    Some(OrderBy { pointer, dead_blocks: dead_blocks.unwrap_or(false) })
}

/// The text of a literal, which has to follow a grammar.
fn checked(text: &LitStr, grammar: fn(&str) -> Result<(), String>, errors: &mut Errors) -> String {
    if let Err(message) = grammar(&text.value()) {
        errors.push(text.span(), message);
    }
    text.value()
}
