//! From registrations to listeners that are ready to run.

use std::collections::BTreeMap;
use std::sync::{Arc, Once};

use super::{Parts, TraitListener};
use crate::catalogue;
use crate::delivery::SourceName;
use crate::document::environment_variable;
use crate::listener::bound::{Declaration, Handler, Listener, Unbound};
use crate::listener::extract::{Bind, States};
use crate::listener::options::RunOptions;
use crate::listener::pattern::EventPattern;
use crate::listener::registry::ListenerRegistration;
use crate::problem::{Problems, suggestion};
use crate::settings::source::SourceConfig;
use crate::stats::ListenerStats;

/// Binds every listener to its state. What is missing or wrong is noted.
pub(super) fn bind(parts: &mut Parts, problems: &Problems) -> Vec<Listener> {
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
    let listeners: Vec<_> = listeners.collect();
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
    listeners: &[Listener],
    mentioned: &[String],
    configured: &[SourceConfig],
    problems: &Problems,
) {
    let known = || mentioned.iter().map(String::as_str).chain(configured.iter().map(|it| it.name.as_str()));
    for listener in listeners {
        let Some(source) = &listener.declared.source else {
            if known().next().is_none() {
                problems.add_of_listener(
                    format!(
                        "listener {} listens to every source, and none is configured",
                        listener.declared.label
                    ),
                    "add [webhooks.sources.NAME] with its `provider` and `secret`",
                );
            }
            continue;
        };
        if known().any(|name| name == source) {
            continue;
        }
        let what = format!(
            "listener {} listens to source `{source}`, which is not configured",
            listener.declared.label
        );
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
    let mut bind = Bind::new(states, label.clone(), registration.on_error, problems);
    let bound = (registration.bind)(&mut bind);
    // The macro has checked source and patterns; written by hand, they may still be wrong.
    let source = source_pattern(registration.source, &label, problems);
    let events = patterns(registration.events.iter().copied(), &label, problems);
    let declared = Declaration {
        stats: ListenerStats::new(&registration.id()),
        crate_name: registration.crate_name().to_owned(),
        label,
        source: source?,
        events: events?,
        options: RunOptions {
            retry: registration.options.retry,
            order_by: registration.options.order_by,
            concurrency: registration.options.concurrency,
        },
        told_of_no_order: Once::new(),
        takes_transaction: bind.takes_transaction(),
    };
    Some(Listener {
        id: registration.id().into(),
        handler: bound.map_or_else(|| Arc::new(Unbound) as Arc<dyn Handler>, |bound| bound.0),
        timeout: registration.options.timeout,
        declared: Arc::new(declared),
    })
}

fn from_type(listener: TraitListener, problems: &Problems) -> Option<Listener> {
    let label = format!("`{}`", listener.id);
    let source = source_pattern(&listener.source, &label, problems);
    let events = patterns(listener.events.iter().map(String::as_str), &label, problems);
    let declared = Declaration {
        stats: ListenerStats::new(&listener.id),
        crate_name: listener.id.split("::").next().unwrap_or_default().to_owned(),
        label,
        source: source?,
        events: events?,
        options: listener.options,
        told_of_no_order: Once::new(),
        takes_transaction: false,
    };
    Some(Listener {
        id: listener.id.into(),
        handler: listener.handler,
        timeout: listener.timeout,
        declared: Arc::new(declared),
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

fn check_ids(listeners: &[Listener], problems: &Problems) {
    let mut by_id: BTreeMap<&str, &Listener> = BTreeMap::new();
    for listener in listeners {
        if listener.id.is_empty() || listener.id.chars().any(char::is_control) {
            problems.add_of_listener(
                format!(
                    "listener {} has an id that is empty or holds control characters",
                    listener.declared.label
                ),
                "give it one of printable characters: it is stored, and stands in logs",
            );
        }
        if let Some(first) = by_id.insert(&listener.id, listener) {
            problems.add_of_listener(
                format!("listeners {} and {} have the same id `{}`", first.declared.label, listener.declared.label, listener.id),
                "give one of them another: `id = \"…\"`; it is the name under which its success is remembered",
            );
        }
    }
}
