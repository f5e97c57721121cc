//! `[webhooks.inbox]`: whether deliveries are stored before they are handled, where, and what becomes of them.

use std::path::PathBuf;
use std::time::Duration;

use super::config::positive;
use crate::document::TableReader;

/// An inbox that was asked for.
// Read in every build, so that a mistake is reported in every build; used where there is an engine.
#[cfg_attr(not(feature = "sqlite"), allow(dead_code))]
pub(crate) struct InboxConfig {
    pub(crate) provider: InboxKind,
    pub(crate) path: PathBuf,
    pub(crate) max_attempts: u32,
    pub(crate) backoff: Duration,
    pub(crate) backoff_max: Duration,
    pub(crate) timeout: Duration,
    /// How long a run waits whose process has died, where others cannot tell.
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InboxKind {
    Sqlite,
}

impl InboxConfig {
    const DAY: Duration = Duration::from_secs(86_400);

    /// `None`: there is none.
    pub(super) fn read(root: &TableReader<'_>) -> Option<Self> {
        let table = root.table("inbox")?;
        let providers = [("none", None), ("sqlite", Some(InboxKind::Sqlite))];
        let provider = match table.string("provider").as_deref() {
            // What is not there must not be mistaken for something that is.
            Some("postgres") => {
                let help = "write \"sqlite\", for one machine, or \"none\": listeners run inline";
                table.problem("provider", "this version has no inbox in PostgreSQL", help);
                None
            }
            _ => table.one_of("provider", &providers).flatten(),
        };
        let duration = |key, usual| positive(&table, key, table.duration(key)).unwrap_or(usual);
        let number = |key, usual| positive_number(&table, key).unwrap_or(usual);
        let config = Self {
            provider: provider.unwrap_or(InboxKind::Sqlite),
            path: table.string("path").unwrap_or_else(|| "webhooks.db".to_owned()).into(),
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
        provider.map(|_| config)
    }
}

fn positive_number(table: &TableReader<'_>, key: &str) -> Option<u64> {
    let number = table.unsigned(key);
    if number == Some(0) {
        table.problem(key, "with 0, nothing could ever run", "write 1 or more");
    }
    number
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
