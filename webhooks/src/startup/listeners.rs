//! From registrations to listeners that are ready to run.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Parts, TraitListener};
use crate::catalogue;
use crate::delivery::SourceName;
use crate::document::environment_variable;
use crate::listener::bound::{FunctionHandler, Listener, Unbound};
use crate::listener::extract::{Bind, States};
use crate::listener::options::RunOptions;
use crate::listener::pattern::EventPattern;
use crate::listener::registry::ListenerRegistration;
use crate::problem::{Problems, suggestion};
use crate::settings::source::SourceConfig;
use crate::stats::ListenerStats;

/// Binds every listener to its state. What is missing or wrong is noted.
pub(super) fn bind(parts: &mut Parts, problems: &Problems) -> Vec<Arc<Listener>> {
    check_any(parts, problems);
    parts.states.check(problems);
    let mut functions = std::mem::take(&mut parts.functions);
    // Registered by itself and named explicitly too, a function is still one listener.
    // A macro of the user's may make several on one line, each in a module of its own.
    functions.sort_by_key(|it| (it.file, it.line, it.module_path, it.name));
    functions.dedup_by_key(|it| (it.file, it.line, it.module_path, it.name));
    let functions: Vec<_> =
        functions.iter().filter_map(|it| from_function(it, &parts.states, problems)).collect();
    let types = std::mem::take(&mut parts.listeners).into_iter().filter_map(|it| from_type(it, problems));
    let listeners = functions.into_iter().chain(types);
    #[cfg(feature = "test-util")]
    let listeners = listeners.map(|it| match &parts.rehearsal {
        Some(rehearsal) => rehearsal.watch(it),
        None => it,
    });
    let listeners: Vec<_> = listeners.map(Arc::new).collect();
    check_ids(&listeners, problems);
    listeners
}

fn check_any(parts: &Parts, problems: &Problems) {
    if parts.functions.is_empty() && parts.listeners.is_empty() {
        problems.add(
            "there is no listener",
            "annotate one with #[webhook_listener(source = \"…\")]; if it stands in another crate, name that crate in \
             the binary: `use billing as _;`",
        );
    }
}

/// Notes listeners to sources that are not there.
///
/// `mentioned` are all that the settings name, those included that could not be read: their own problem is enough.
pub(super) fn check_sources(
    listeners: &[Arc<Listener>],
    mentioned: &[String],
    configured: &[SourceConfig],
    problems: &Problems,
) {
    let known = || mentioned.iter().map(String::as_str).chain(configured.iter().map(|it| it.name.as_str()));
    for listener in listeners {
        let Some(source) = &listener.source else {
            if known().next().is_none() {
                problems.add_of_listener(
                    format!("listener {} listens to every source, and none is configured", listener.label),
                    "add [webhooks.sources.NAME] with its `provider` and `secret`",
                );
            }
            continue;
        };
        if known().any(|name| name == source) {
            continue;
        }
        let what =
            format!("listener {} listens to source `{source}`, which is not configured", listener.label);
        let close = suggestion(source, known());
        let help = match close {
            Some(close) => format!("a source named `{close}` is: did you mean that?"),
            None => {
                let variable = environment_variable(&format!("webhooks.sources.{source}.secret"));
                match catalogue::names().any(|name| name == source) {
                    true => format!("set [webhooks.sources.{source}] secret, or {variable}"),
                    false => format!("add [webhooks.sources.{source}] with its `provider` and `secret`"),
                }
            }
        };
        problems.add_of_listener(what, help);
    }
}

fn from_function(
    registration: &ListenerRegistration,
    states: &States,
    problems: &Problems,
) -> Option<Listener> {
    let label = registration.label();
    let mut bind = Bind::new(states, label.clone(), problems);
    let bound = (registration.bind)(&mut bind);
    // The macro has checked source and patterns; written by hand, they may still be wrong.
    let source = source_pattern(registration.source, &label, problems);
    let events = patterns(registration.events.iter().copied(), &label, problems);
    Some(Listener {
        stats: ListenerStats::new(&registration.id()),
        id: registration.id().into(),
        crate_name: registration.crate_name().to_owned(),
        label,
        source: source?,
        events: events?,
        timeout: registration.options.timeout,
        options: RunOptions {
            retry: registration.options.retry,
            order_by: registration.options.order_by,
            concurrency: registration.options.concurrency,
        },
        takes_transaction: bind.takes_transaction(),
        handler: match bound {
            Some(bound) => Box::new(FunctionHandler { bound, on_error: registration.on_error }),
            None => Box::new(Unbound),
        },
    })
}

fn from_type(listener: TraitListener, problems: &Problems) -> Option<Listener> {
    let label = format!("`{}`", listener.id);
    let source = source_pattern(&listener.source, &label, problems);
    let events = patterns(listener.events.iter().map(String::as_str), &label, problems);
    Some(Listener {
        crate_name: listener.id.split("::").next().unwrap_or_default().to_owned(),
        stats: ListenerStats::new(&listener.id),
        id: listener.id.into(),
        label,
        source: source?,
        events: events?,
        timeout: listener.timeout,
        options: listener.options,
        takes_transaction: false,
        handler: listener.handler,
    })
}

/// `Some(None)` is every source.
fn source_pattern(source: &str, label: &str, problems: &Problems) -> Option<Option<String>> {
    if source == "*" {
        return Some(None);
    }
    if SourceName::new(source).is_none() {
        problems.add_of_listener(
            format!("listener {label} listens to `{}`, which cannot be a source", source.escape_debug()),
            "a source's name is 1 to 64 of a-z, 0-9, `_` and `-`; `*` is every source",
        );
        return None;
    }
    Some(Some(source.to_owned()))
}

fn patterns<'a>(
    texts: impl Iterator<Item = &'a str>,
    label: &str,
    problems: &Problems,
) -> Option<Vec<EventPattern>> {
    let parsed = texts.map(|text| {
        EventPattern::parse(text)
            .map_err(|why| {
                problems.add_of_listener(
                    format!("listener {label} has the event pattern `{}`: {why}", text.escape_debug()),
                    "write \"a.b\", \"a.*\" or \"*\"",
                );
            })
            .ok()
    });
    parsed.collect()
}

fn check_ids(listeners: &[Arc<Listener>], problems: &Problems) {
    let mut by_id: BTreeMap<&str, &Listener> = BTreeMap::new();
    for listener in listeners {
        if listener.id.is_empty() || listener.id.chars().any(char::is_control) {
            problems.add_of_listener(
                format!("listener {} has an id that is empty or holds control characters", listener.label),
                "give it one of printable characters: it is stored, and stands in logs",
            );
        }
        if let Some(first) = by_id.insert(&listener.id, listener) {
            problems.add_of_listener(
                format!("listeners {} and {} have the same id `{}`", first.label, listener.label, listener.id),
                "give one of them another: `id = \"…\"`; it is the name under which its success is remembered",
            );
        }
    }
}
