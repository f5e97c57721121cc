//! `[webhooks.inbox]`: whether deliveries are stored before they are handled, where, and what becomes of them.

use std::path::PathBuf;
use std::time::Duration;

use super::config::{positive_duration, positive_number};
use crate::document::TableReader;
use crate::secret::Secret;

/// An inbox that was asked for.
// Read in every build, so that a mistake is reported in every build; used where there is an engine.
#[cfg_attr(not(all(feature = "postgres", feature = "sqlite")), allow(dead_code))]
pub(crate) struct InboxConfig {
    pub(crate) provider: InboxKind,
    pub(crate) max_attempts: u32,
    pub(crate) backoff: Duration,
    pub(crate) backoff_max: Duration,
    pub(crate) timeout: Duration,
    /// How long a claim on a run lasts without renewal.
    pub(crate) lease: Duration,
    pub(crate) keep_done: Duration,
    pub(crate) keep_body: Duration,
    pub(crate) keep_dead: Duration,
    /// With so many runs pending, no more deliveries are taken.
    pub(crate) max_pending: u64,
    /// How many runs go on side by side at most.
    pub(crate) concurrency: usize,
    /// Headers that are stored besides the usual ones.
    pub(crate) keep_headers: Vec<String>,
}

/// Which engine, and what only that one needs.
#[cfg_attr(not(all(feature = "postgres", feature = "sqlite")), allow(dead_code))]
pub(crate) enum InboxKind {
    Sqlite { path: PathBuf },
    Postgres { url: Secret, max_connections: u32 },
}

impl InboxConfig {
    const DAY: Duration = Duration::from_secs(86_400);

    /// `None`: there is none.
    pub(super) fn read(root: &TableReader<'_>) -> Option<Self> {
        let table = root.table("inbox")?;
        let provider = InboxKind::read(&table);
        let duration = |key, usual| positive_duration(&table, key).unwrap_or(usual);
        let number = |key, usual| positive_number(&table, key).unwrap_or(usual);
        let wanted = provider.is_some();
        let config = Self {
            provider: provider.unwrap_or_else(|| InboxKind::Sqlite { path: InboxKind::USUAL_PATH.into() }),
            max_attempts: u32::try_from(number("max_attempts", 12)).unwrap_or(u32::MAX),
            backoff: duration("backoff", Duration::from_secs(5)),
            backoff_max: duration("backoff_max", Self::DAY / 2),
            timeout: duration("timeout", Duration::from_secs(60)),
            lease: read_lease(&table),
            keep_done: duration("keep_done", Self::DAY * 7),
            keep_body: duration("keep_body", Self::DAY),
            keep_dead: duration("keep_dead", Self::DAY * 30),
            max_pending: number("max_pending", 1_000_000),
            concurrency: usize::try_from(number("concurrency", 32)).unwrap_or(usize::MAX),
            keep_headers: read_headers(&table),
        };
        table.finish();
        wanted.then_some(config)
    }
}

impl InboxKind {
    const USUAL_PATH: &str = "webhooks.db";

    /// The embedded one, if none is named. `None`: none is wanted, or it is not clear which.
    fn read(table: &TableReader<'_>) -> Option<Self> {
        let path = table.string("path").map_or_else(|| Self::USUAL_PATH.into(), Into::into);
        let url = table.string("url");
        let connections = positive_number(table, "max_connections").unwrap_or(16);
        let max_connections = u32::try_from(connections).unwrap_or(u32::MAX);
        if !table.has("provider") {
            if url.is_some() {
                let help = "write `provider = \"postgres\"`";
                table.problem("provider", "is missing, and `url` is PostgreSQL's", help);
                return None;
            }
            return Some(Self::Sqlite { path });
        }
        match table.one_of("provider", &[("none", 0), ("sqlite", 1), ("postgres", 2)])? {
            0 => None,
            1 => {
                if url.is_some() {
                    table.problems().warn(
                        format!("{} is not used: the inbox is a SQLite file", table.place("url")),
                        "write `provider = \"postgres\"`, or remove it",
                    );
                }
                Some(Self::Sqlite { path })
            }
            _ => {
                if url.is_none() && !table.has("url") {
                    let help = "write \"postgres://user@host/database\", or set WEBHOOKS_INBOX__URL";
                    table.problem("url", "is missing, and \"postgres\" needs one", help);
                }
                Some(Self::Postgres { url: Secret::new(url?), max_connections })
            }
        }
    }
}

fn read_lease(table: &TableReader<'_>) -> Duration {
    let lease = table.duration("lease").unwrap_or(Duration::from_secs(60));
    if lease < Duration::from_millis(100) {
        table.problem("lease", "too short to be renewed in time", "write 100ms or more; 60s is usual");
    }
    lease
}

fn read_headers(table: &TableReader<'_>) -> Vec<String> {
    let mut names = table.strings("keep_headers").unwrap_or_default();
    names.retain(|name| {
        let telltale = crate::inbox::headers::is_telltale(name);
        if telltale {
            let what = format!("`{}` proves an identity, and is never stored", name.escape_debug());
            table.problem("keep_headers", &what, "leave it out: it was checked when the delivery came");
        }
        !telltale
    });
    names
}
