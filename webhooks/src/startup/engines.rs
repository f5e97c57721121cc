//! Opens the engine of the inbox that the settings choose, or says what is missing.

use std::path::Path;
use std::sync::Arc;

use crate::clock::Clock;
use crate::inbox::{Access, Inbox};
use crate::problem::Problems;
use crate::secret::Secret;
use crate::settings::inbox::{InboxConfig, InboxKind};

/// Opens the engine.
pub(super) async fn open(
    settings: &InboxConfig,
    clock: &Clock,
    access: Access,
    problems: &Problems,
) -> Option<Arc<dyn Inbox>> {
    match &settings.provider {
        InboxKind::Sqlite { path } => open_sqlite(settings, path, clock, access, problems).await,
        InboxKind::Postgres { url, max_connections } => {
            open_postgres(settings, url, *max_connections, clock, access, problems).await
        }
    }
}

#[cfg(feature = "sqlite")]
async fn open_sqlite(
    settings: &InboxConfig,
    path: &Path,
    clock: &Clock,
    access: Access,
    problems: &Problems,
) -> Option<Arc<dyn Inbox>> {
    use crate::inbox::InboxError;
    use crate::inbox::sqlite::{SqliteInbox, SqliteOptions};
    let options = SqliteOptions {
        path: path.to_owned(),
        keep_done: settings.keep_done,
        keep_body: settings.keep_body,
        keep_dead: settings.keep_dead,
        max_pending: settings.max_pending,
        clock: clock.clone(),
        access,
    };
    // It waits for the disk, and for a process that is being replaced.
    let opened = tokio::task::spawn_blocking(|| SqliteInbox::open(options)).await;
    match opened.unwrap_or_else(|error| Err(InboxError::unavailable(error))) {
        Ok((inbox, warnings)) => {
            for warning in warnings {
                problems.warn(
                    warning,
                    "set `webhooks.inbox.path` to a file on a disk of this machine that stays",
                );
            }
            Some(Arc::new(inbox))
        }
        Err(error) => {
            problems.add(error.to_string(), "set `webhooks.inbox.path` to a file of this service's own");
            None
        }
    }
}

#[cfg(not(feature = "sqlite"))]
async fn open_sqlite(
    _: &InboxConfig,
    _: &Path,
    _: &Clock,
    _: Access,
    problems: &Problems,
) -> Option<Arc<dyn Inbox>> {
    problems.add(
        "`webhooks.inbox.provider` is \"sqlite\", but this build has no support for it",
        "in Cargo.toml: webhooks = { version = \"…\", features = [\"sqlite\"] }",
    );
    None
}

#[cfg(feature = "postgres")]
async fn open_postgres(
    settings: &InboxConfig,
    url: &Secret,
    max_connections: u32,
    clock: &Clock,
    access: Access,
    problems: &Problems,
) -> Option<Arc<dyn Inbox>> {
    use crate::inbox::postgres::{PostgresInbox, PostgresOptions};
    let options = PostgresOptions {
        url: url.clone(),
        max_connections,
        keep_done: settings.keep_done,
        keep_body: settings.keep_body,
        keep_dead: settings.keep_dead,
        max_pending: settings.max_pending,
        clock: clock.clone(),
        access,
    };
    match PostgresInbox::open(options).await {
        Ok((inbox, warnings)) => {
            for warning in warnings {
                problems.warn(warning, "set `fsync = on` in postgresql.conf");
            }
            Some(Arc::new(inbox))
        }
        Err(error) => {
            problems.add(error.to_string(), error.help());
            None
        }
    }
}

#[cfg(not(feature = "postgres"))]
async fn open_postgres(
    _: &InboxConfig,
    _: &Secret,
    _: u32,
    _: &Clock,
    _: Access,
    problems: &Problems,
) -> Option<Arc<dyn Inbox>> {
    problems.add(
        "`webhooks.inbox.provider` is \"postgres\", but this build has no support for it",
        "in Cargo.toml: webhooks = { version = \"…\", features = [\"postgres\"] }",
    );
    None
}
