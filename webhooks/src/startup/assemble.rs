//! Puts it all together, or says everything that keeps it from fitting.

use std::sync::Arc;

#[cfg(feature = "postgres")]
use super::effects;
use super::inbox::Opened;
use super::sources::Made;
use super::webhooks::Webhooks;
use super::{Parts, development, inbox, listeners, secrets, sources, stores, validators, warnings};
use crate::error::Error;
use crate::life::Upkeep;
use crate::listener::bound::Listener;
use crate::metrics;
use crate::problem::Problems;
use crate::processor::{Core, WebhookProcessor};
use crate::run::inline::{Inline, InlineOptions};
use crate::seen::Seen;
use crate::settings::Settings;
use crate::settings::config::Config;
use crate::settings::source::SourceConfig;
use crate::source::rotation::Watch;
use crate::store::{self, DynStore, InMemoryWebhookEventStore};

/// Assembles everything from settings and code. All problems come out together.
pub(super) async fn webhooks(
    settings: &Settings,
    mut parts: Parts,
    problems: Problems,
) -> Result<Webhooks, Error> {
    // What is noted by now kept settings from being read: what they say cannot be missed in what is left of them.
    let legible = problems.is_empty();
    let mut config = Config::read(settings, &problems);
    if !config.enabled {
        return disabled(config, problems);
    }
    #[cfg(feature = "test-util")]
    parts.rehearsal.iter().for_each(|rehearsal| rehearsal.prepare(&mut config));
    let listeners = listeners::bind(&mut parts, &problems);
    let mut configured = std::mem::take(&mut config.sources);
    parts.development &= development::is_allowed(&config.http.bind);
    if parts.lends() && legible {
        configured.extend(unmentioned(&config, &listeners));
    }
    #[cfg(feature = "test-util")]
    parts.rehearsal.iter().for_each(|rehearsal| rehearsal.lend(&config, &mut configured));
    if legible {
        listeners::check_sources(&listeners, &config.source_names, &configured, &problems);
    }
    validators::check_names(&parts, &problems);
    secrets::check_shared(&configured, &problems);
    warnings::look(&config, &configured, &listeners, &problems);
    let chosen = inbox::choose(&config, &configured, &listeners, &problems);
    let made = sources::make(&config, configured, &parts, &listeners, &problems);
    let claims = made.sources.iter().any(|source| !chosen.contains(&source.name));
    let store = stores::choose(&config, parts.store.take(), claims, &parts.clock, &problems).await;
    #[cfg(feature = "postgres")]
    let effects = effects::open(&config, &parts.states, &listeners, &made.sources, &problems).await;
    #[cfg(not(feature = "postgres"))]
    let effects = None;
    let inbox = inbox::open(&config, chosen, &parts.clock, &problems).await;
    #[cfg(feature = "test-util")]
    let inbox = inbox.map(|opened| opened.watched_by(parts.rehearsal.as_ref()));
    development::tell(&made.development, &problems);
    for warning in problems.take_warnings() {
        tracing::warn!(help = %warning.help, "{}", warning.what);
    }
    match store {
        Some(store) if problems.is_empty() => {
            Ok(start(config, made, &listeners, store, inbox, effects, parts))
        }
        _ => Err(Error::of_start(problems.into_errors())),
    }
}

/// In development and in tests: the catalogue's sources that listeners name and no settings mention.
fn unmentioned(config: &Config, listeners: &[Listener]) -> Vec<SourceConfig> {
    let mut names: Vec<&str> = listeners.iter().filter_map(|it| it.declared.source.as_deref()).collect();
    names.sort_unstable();
    names.dedup();
    names.retain(|name| !config.source_names.iter().any(|known| known.as_str() == *name));
    names.into_iter().filter_map(SourceConfig::of_catalogue).collect()
}

fn start(
    config: Config,
    made: Made,
    listeners: &[Listener],
    store: Arc<dyn DynStore>,
    inbox: Option<Opened>,
    upkeep: Option<Upkeep>,
    parts: Parts,
) -> Webhooks {
    tell_listeners(listeners);
    metrics::describe();
    let inline = Inline::new(store, inline_options(&config));
    let seen = Seen::new(parts.clock.clone());
    #[cfg(feature = "test-util")]
    let seen = seen.watched_by(parts.rehearsal.map(|it| it.witness));
    let core = Core {
        inbox: inbox.map(|opened| inbox::staff(opened, &config, &made.sources, listeners, &inline.life)),
        _watch: Watch::begin(&made.sources),
        sources: made.sources.into_iter().map(|source| (source.name.clone(), source)).collect(),
        inline,
        _upkeep: upkeep,
        seen,
        clock: parts.clock,
        enabled: config.enabled,
    };
    Webhooks::new(WebhookProcessor::new(core), config.http, config.limits, made.development)
}

/// How many listeners each crate has: one that nobody references registers nothing, and is missed here.
fn tell_listeners(listeners: &[Listener]) {
    let mut crates: Vec<&str> = listeners.iter().map(|it| it.declared.crate_name.as_str()).collect();
    crates.sort_unstable();
    for same in crates.chunk_by(|a, b| a == b) {
        tracing::info!(crate_name = same[0], listeners = same.len(), "listeners registered");
    }
}

fn inline_options(config: &Config) -> InlineOptions {
    InlineOptions {
        lease: config.idempotency.lease,
        wait: config.idempotency.wait,
        max_attempts: config.inline.max_attempts,
        max_in_flight: config.limits.max_in_flight,
    }
}

/// Nothing is assembled; every delivery is answered 503, so that none is lost to the provider.
fn disabled(config: Config, problems: Problems) -> Result<Webhooks, Error> {
    if !problems.is_empty() {
        return Err(Error::of_start(problems.into_errors()));
    }
    tracing::warn!("webhooks.enabled is false: every delivery is answered 503");
    let store = store::share(InMemoryWebhookEventStore::new());
    Ok(start(config, Made::default(), &[], store, None, None, Parts::default()))
}
