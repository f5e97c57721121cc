//! What listeners with a `Tx` need: the table of what has been done, made and checked, and swept from then on.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;

use crate::effect::{sweep, table};
use crate::life::Upkeep;
use crate::listener::bound::Listener;
use crate::listener::extract::States;
use crate::problem::Problems;
use crate::settings::config::Config;
use crate::source::Source;

/// `None`: no listener takes a transaction, or the table cannot be used, which is noted.
pub(super) async fn open(
    config: &Config,
    states: &States,
    listeners: &[Listener],
    sources: &[Arc<Source>],
    problems: &Problems,
) -> Option<Upkeep> {
    let transactional: Vec<_> = listeners.iter().filter(|it| it.declared.takes_transaction).collect();
    if transactional.is_empty() || !problems.is_empty() {
        // What will not start anyway must not leave a table behind.
        return None;
    }
    for listener in transactional {
        warn_without_ids(listener, sources, problems);
    }
    // Given, or binding the listener would have been a problem.
    let pool = states.get::<PgPool>()?;
    if let Err(error) = table::prepare(&pool).await {
        problems.add_of_listener(format!("listeners take `Tx<Postgres>`, but {error}"), error.help());
        return None;
    }
    Some(sweep::start(PgPool::clone(&pool), keep(config, sources)))
}

/// Rows are kept for longer than anything else that is remembered of an event.
fn keep(config: &Config, sources: &[Arc<Source>]) -> Duration {
    let inbox = config.inbox.as_ref().map(|inbox| inbox.keep_done.max(inbox.keep_dead));
    let remembered = sources.iter().map(|source| source.retention).chain(inbox);
    remembered.fold(config.effects.keep, Duration::max)
}

/// Notes the sources whose redeliveries cannot be told from new events.
fn warn_without_ids(listener: &Listener, sources: &[Arc<Source>], problems: &Problems) {
    let heard = |source: &&Arc<Source>| {
        listener.declared.source.as_deref().is_none_or(|name| name == source.name.as_str())
    };
    for source in sources.iter().filter(heard).filter(|it| it.identity.may_lack_id()) {
        problems.warn(
            format!(
                "listener {} takes `Tx<Postgres>`, but events of `{}` may have no id: their effects happen once a delivery, \
                 and again when the provider sends the event again",
                listener.declared.label, source.name
            ),
            "see the chapter on effects in the documentation",
        );
    }
}
