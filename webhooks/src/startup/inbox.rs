//! The inbox that the settings choose: opened, checked, and staffed.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Notify;

use super::engines;
use crate::clock::Clock;
use crate::delivery::SourceName;
use crate::inbox::gauges::InboxGauges;
use crate::inbox::handle::WebhookInbox;
use crate::inbox::headers::KeptHeaders;
use crate::inbox::intake::{Intake, StoredSource};
use crate::inbox::retry::Backoff;
use crate::inbox::staffed::{self, StaffedInbox};
use crate::inbox::worker::{Worker, WorkerOptions};
use crate::inbox::{Access, Inbox, order, upkeep};
use crate::life::Life;
use crate::listener::bound::Listener;
use crate::listener::options::Retry;
use crate::problem::Problems;
#[cfg(feature = "test-util")]
use crate::rehearsal::Rehearsal;
use crate::run::lease::LeaseKeeper;
use crate::settings::config::Config;
use crate::settings::inbox::InboxConfig;
use crate::settings::source::SourceConfig;
use crate::source::Source;

/// An inbox that can be used, and the sources that use it.
pub(super) struct Opened {
    inbox: Arc<dyn Inbox>,
    sources: Vec<SourceName>,
}

#[cfg(feature = "test-util")]
impl Opened {
    /// Has a test see what is begun afresh.
    pub(super) fn watched_by(self, rehearsal: Option<&Rehearsal>) -> Self {
        match rehearsal {
            Some(rehearsal) => Self { inbox: rehearsal.watch_inbox(self.inbox), ..self },
            None => self,
        }
    }
}

/// The sources that use the inbox. What does not fit together is noted.
pub(super) fn choose(
    config: &Config,
    sources: &[SourceConfig],
    listeners: &[Listener],
    problems: &Problems,
) -> Vec<SourceName> {
    for source in sources.iter().filter(|it| it.inbox == Some(true) && config.inbox.is_none()) {
        problems.add(
            format!("{} has `mode = \"inbox\"`, but no inbox is configured", source.place),
            "set `webhooks.inbox.provider = \"sqlite\"`",
        );
    }
    for listener in listeners {
        check(listener, config, sources, problems);
    }
    let Some(inbox) = &config.inbox else { return Vec::new() };
    let using: Vec<_> = sources.iter().filter(|it| it.inbox != Some(false)).collect();
    for source in &using {
        check_kept(inbox, source, problems);
    }
    using.into_iter().map(|it| it.name.clone()).collect()
}

/// Opens the inbox. `None`: there is none, or it cannot be used, which is noted.
pub(super) async fn open(
    config: &Config,
    sources: Vec<SourceName>,
    clock: &Clock,
    problems: &Problems,
) -> Option<Opened> {
    let settings = config.inbox.as_ref()?;
    // What will not start anyway must not leave a file behind.
    if !problems.is_empty() {
        return None;
    }
    // As long as the process that is being replaced may take to leave, and to release what it had to cancel.
    let patience = config.http.drain_delay + config.http.shutdown_grace + Life::LAST_MOMENTS;
    let inbox = engines::open(settings, clock, Access::Worker { patience }, problems).await;
    Some(Opened { inbox: inbox?, sources })
}

/// Opens an inbox that another process may be working off, for an operator.
pub(crate) async fn look_in(
    settings: &InboxConfig,
    clock: &Clock,
    problems: &Problems,
) -> Option<WebhookInbox> {
    let inbox = engines::open(settings, clock, Access::Operator, problems).await?;
    Some(WebhookInbox::new(inbox, Arc::default()))
}

/// Has the inbox worked off and looked after, for as long as what is returned lives.
pub(super) fn staff(
    opened: Opened,
    config: &Config,
    sources: &[Arc<Source>],
    listeners: &[Listener],
    life: &Life,
) -> StaffedInbox {
    let Opened { inbox, sources: using } = opened;
    let wake = Arc::new(Notify::new());
    let mut staff = Vec::new();
    if let Some(settings) = &config.inbox {
        let worker = Arc::new(Worker {
            inbox: Arc::clone(&inbox),
            listeners: listeners.to_vec(),
            stats: sources.iter().map(|it| (it.name.clone(), Arc::clone(&it.stats))).collect(),
            options: worker_options(settings),
            keeper: LeaseKeeper::new(Arc::clone(&inbox), settings.lease),
            life: life.clone(),
            wake: Arc::clone(&wake),
        });
        staff.push(staffed::employ("the worker", move || Arc::clone(&worker).work()));
        // Taken at once, in the surroundings in which all is assembled, and not with the first look.
        let gauges = Arc::new(InboxGauges::new(listeners));
        let (kept, listeners) = (Arc::clone(&inbox), listeners.to_vec());
        staff.push(staffed::employ("the upkeep", move || {
            upkeep::look_after(Arc::clone(&kept), listeners.clone(), Arc::clone(&gauges))
        }));
        let (watched, waking) = (Arc::clone(&inbox), Arc::clone(&wake));
        staff.push(staffed::employ("the watch", move || {
            let (watched, waking) = (Arc::clone(&watched), Arc::clone(&waking));
            async move { watched.watch(waking).await }
        }));
    }
    let asked_for = config.inbox.as_ref().map(|it| it.keep_headers.as_slice()).unwrap_or_default();
    let stored: HashMap<_, _> = sources
        .iter()
        .filter(|source| using.contains(&source.name))
        .map(|source| {
            let of_provider = source.identity.headers();
            let more = asked_for.iter().map(String::as_str).chain(of_provider.iter().map(|it| it.as_str()));
            let kept = KeptHeaders::new(more, &source.credential_headers);
            let (token_in_body, is_batch) = (source.token_in_body.clone(), source.identity.is_batch());
            (source.name.clone(), StoredSource { kept, token_in_body, is_batch })
        })
        .collect();
    StaffedInbox {
        handle: WebhookInbox::new(Arc::clone(&inbox), Arc::clone(&wake)),
        intake: Intake::new(inbox, stored, config.limits.max_in_flight, wake),
        staff,
    }
}

fn worker_options(settings: &InboxConfig) -> WorkerOptions {
    WorkerOptions {
        backoff: Backoff {
            max_attempts: settings.max_attempts,
            base: settings.backoff,
            max: settings.backoff_max,
        },
        timeout: settings.timeout,
        concurrency: settings.concurrency,
        lease: settings.lease,
    }
}

/// Notes the headers that shall be stored and carry a source's signature.
fn check_kept(inbox: &InboxConfig, source: &SourceConfig, problems: &Problems) {
    let credentials = &source.provider.credential_headers;
    for name in inbox.keep_headers.iter().filter(|name| credentials.iter().any(|it| *it == name.as_str())) {
        problems.add(
            format!(
                "`{}` in webhooks.inbox.keep_headers carries the signature of {}, and is never stored",
                name.escape_debug(),
                source.place
            ),
            "leave it out: it was checked when the delivery came",
        );
    }
}

/// Notes what a listener asks for and cannot have.
fn check(listener: &Listener, config: &Config, sources: &[SourceConfig], problems: &Problems) {
    let options = &listener.declared.options;
    if let Some(order) = options.order_by.filter(|it| !order::is_pointer(it.pointer)) {
        problems.add_of_listener(
            format!(
                "listener {} is ordered by `{}`, which is no JSON pointer",
                listener.declared.label,
                order.pointer.escape_debug()
            ),
            "write one such as \"/data/object/customer\"",
        );
    }
    if options.concurrency == Some(0) || options.retry.max_attempts == Some(0) {
        problems.add_of_listener(
            format!("listener {} could never run", listener.declared.label),
            "write 1 or more",
        );
    }
    let in_vain = [
        (options.order_by.is_some(), "is ordered", "its events come as they come"),
        (
            options.retry != Retry::default(),
            "has `retry(…)`",
            "an event is tried again when its provider sends it again",
        ),
        (
            options.concurrency.is_some(),
            "has `concurrency`",
            "as many of its events are handled at once as come",
        ),
    ];
    let in_vain = in_vain.into_iter().filter(|(asked_for, ..)| *asked_for);
    for (_, what, instead) in in_vain {
        warn_without_inbox(listener, what, instead, config, sources, problems);
    }
}

/// Notes what a listener asks for that only the inbox can give.
fn warn_without_inbox(
    listener: &Listener,
    what: &str,
    instead: &str,
    config: &Config,
    sources: &[SourceConfig],
    problems: &Problems,
) {
    let label = &listener.declared.label;
    if config.inbox.is_none() {
        problems.warn(
            format!("listener {label} {what}, but no inbox is configured: {instead}"),
            "set `webhooks.inbox.provider = \"sqlite\"`",
        );
        return;
    }
    let hears = |source: &&SourceConfig| {
        listener.declared.source.as_deref().is_none_or(|it| it == source.name.as_str())
    };
    for source in sources.iter().filter(|it| it.inbox == Some(false)).filter(hears) {
        problems.warn(
            format!("listener {label} {what}, but {} has `mode = \"inline\"`: {instead}", source.place),
            "leave `mode` out: with an inbox, its deliveries are then stored first",
        );
    }
}
