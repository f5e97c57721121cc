//! What is probably a mistake, but keeps nothing from starting.

use std::time::Duration;

use super::sources::signs_content;
use crate::listener::bound::Listener;
use crate::listener::pattern::EventPattern;
use crate::problem::{Problems, suggestion};
use crate::settings::config::Config;
use crate::settings::source::{SourceConfig, ValidatorChoice};

/// Looks at the whole, once everything else is known to fit.
pub(super) fn look(config: &Config, sources: &[SourceConfig], listeners: &[Listener], problems: &Problems) {
    for source in sources {
        let heard: Vec<_> = listeners
            .iter()
            .filter(|it| it.declared.source.as_deref().is_none_or(|name| name == source.name.as_str()))
            .collect();
        if heard.is_empty() {
            problems.warn(
                format!("{}: nothing listens to it", source.place),
                format!("annotate a function with #[webhook_listener(source = \"{}\")]", source.name),
            );
        }
        retention(config, source, problems);
        // What is stored first is answered at once, and tried again by ourselves.
        if config.inbox.is_none() || source.inbox == Some(false) {
            deadline(source, problems);
        }
        replay_guard(source, problems);
        tolerance(source, problems);
        for listener in heard.iter().filter(|it| it.declared.source.is_some()) {
            event_names(source, listener, problems);
        }
    }
    if cfg!(panic = "abort") {
        problems.warn(
            "this build aborts on panic: a listener that panics takes the process with it",
            "leave `panic` at \"unwind\" in the Cargo profile",
        );
    }
}

fn retention(config: &Config, source: &SourceConfig, problems: &Problems) {
    let Some(ttl) = config.idempotency.ttl else { return };
    let (ttl, title) = (ttl.as_secs(), &source.provider.title);
    let seconds = |it: Option<Duration>| it.unwrap_or_default().as_secs();
    let horizon = seconds(source.provider.acknowledgement.retry_horizon);
    let validity = seconds(source.provider.signature.validity(source.tolerance));
    if ttl < horizon {
        problems.warn(
            format!(
                "`webhooks.idempotency.ttl_seconds` is {ttl}, but {title} sends an event again for up to {horizon} s"
            ),
            "leave it out: each source then remembers for at least as long as its provider retries",
        );
    } else if ttl < validity {
        problems.warn(
            format!(
                "`webhooks.idempotency.ttl_seconds` is {ttl}, but a signature of {title} is good for {validity} s: \
                 who has seen a request can have it handled again"
            ),
            "leave it out: each source then remembers for at least as long",
        );
    }
}

fn deadline(source: &SourceConfig, problems: &Problems) {
    let acknowledgement = &source.provider.acknowledgement;
    let title = &source.provider.title;
    if !acknowledgement.retries {
        problems.warn(
            format!(
                "{}: {title} never sends an event again by itself: one that fails waits for a human",
                source.place
            ),
            "redeliver failed events from the provider's dashboard or API, or set `webhooks.inbox.provider = \"sqlite\"`",
        );
    }
    if let Some(deadline) = acknowledgement.deadline.filter(|it| *it <= Duration::from_secs(5)) {
        problems.warn(
            format!("{}: {title} waits only {} s for an answer", source.place, deadline.as_secs()),
            "keep its listeners short, or set `webhooks.inbox.provider = \"sqlite\"`",
        );
    }
}

/// A guard is for ids that the signature does not speak for, each of a delivery of its own.
fn replay_guard(source: &SourceConfig, problems: &Problems) {
    let identity = &source.provider.identity;
    let (why, help) = if !source.replay_guard {
        return;
    } else if source.validator == ValidatorChoice::None {
        ("nothing is signed", "remove it, or `validator = \"none\"`")
    } else if !identity.has_id() {
        ("its events have no id", "remove it")
    } else if identity.id_is_signed() {
        ("its signature covers the id, so that nobody can change it", "remove it")
    } else if !signs_content(source) {
        ("its signature does not cover the content", "remove it")
    } else if source.batch && identity.is_batch() {
        ("a delivery holds several events", "remove it, or set `batch = false`")
    } else {
        return;
    };
    problems.warn(format!("{}: `replay_guard` does nothing here: {why}", source.place), help);
}

/// A tolerance is for times that are signed.
fn tolerance(source: &SourceConfig, problems: &Problems) {
    let why = match source.validator {
        _ if source.tolerance.is_none() => return,
        ValidatorChoice::None => "nothing is signed",
        ValidatorChoice::Named(_) => "its validator does not know of it",
        ValidatorChoice::Scheme if source.provider.signature.validity(None).is_some() => return,
        ValidatorChoice::Scheme => "no time is signed",
    };
    problems.warn(format!("{}: `tolerance_seconds` does nothing here: {why}", source.place), "remove it");
}

/// Notes event names that no batch has which is taken as one event, where only its elements have types.
fn whole_batches(source: &SourceConfig, listener: &Listener, problems: &Problems) {
    let identity = source.provider.identity.without_batch();
    let Some(only) = identity.only_type() else { return };
    for pattern in listener.declared.events.iter().filter(|it| !it.hears(only)) {
        problems.warn(
            format!(
                "listener {} listens to `{pattern}`, but {} has `batch = false`: all of its events have the type `{only}`",
                listener.declared.label, source.place
            ),
            format!("listen to `{only}`, or remove `batch = false`"),
        );
    }
}

/// Notes event names that the provider's list does not contain, where there is a list.
fn event_names(source: &SourceConfig, listener: &Listener, problems: &Problems) {
    if !source.batch && source.provider.identity.is_batch() {
        return whole_batches(source, listener, problems);
    }
    let known = &source.provider.events;
    if known.is_empty() {
        return;
    }
    for pattern in &listener.declared.events {
        let is_listed = match pattern {
            EventPattern::Exactly(name) => source.provider.knows(name),
            EventPattern::Any | EventPattern::Under { .. } => known.iter().any(|it| pattern.hears(it)),
        };
        if is_listed {
            continue;
        }
        let shown = pattern.to_string();
        let what = format!(
            "listener {} listens to `{shown}`, which {} does not list",
            listener.declared.label, source.provider.title
        );
        let help = match suggestion(&shown, known.iter().map(String::as_str)) {
            Some(close) => format!("did you mean `{close}`?"),
            None => "check its spelling; if it is a new one, all is well".to_owned(),
        };
        problems.warn(what, help);
    }
}
