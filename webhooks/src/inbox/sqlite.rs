//! The inbox in a SQLite file: one machine, one process, nothing to install.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use rusqlite::Connection;

use super::record::{EventRecord, EventSummary, Replayed, Selection};
use super::{Access, Claimed, End, Fence, Inbox, InboxError, ListenerCount, Parcel, Put, Wanted};
use crate::clock::{Clock, Moment};
use crate::store::EventKey;
use leases::Leases;
use writer::Writer;

mod change;
mod claim;
mod filesystem;
mod leases;
mod load;
mod open;
mod ordered;
mod owner;
mod pending;
mod put;
mod query;
mod schema;
mod settle;
mod suspect;
mod sweep;
mod time;
mod tokens;
mod writer;

#[cfg(test)]
mod tests;

/// The inbox in a SQLite file.
///
/// All writing is done by one thread on one connection, which commits whatever has queued up together: a commit costs
/// one wait for the disk, however many deliveries share it. Reading for operators has a connection of its own.
pub(crate) struct SqliteInbox {
    writer: Writer,
    leases: Arc<Leases>,
    reader: Arc<Mutex<Connection>>,
    clock: Clock,
    options: Options,
}

/// See the settings of the same names.
#[derive(Debug, Clone)]
pub(crate) struct SqliteOptions {
    pub(crate) path: PathBuf,
    pub(crate) keep_done: Duration,
    pub(crate) keep_body: Duration,
    pub(crate) keep_dead: Duration,
    pub(crate) max_pending: u64,
    pub(crate) clock: Clock,
    pub(crate) access: Access,
}

/// The time by both clocks, since one may be set and the other not be read by another process.
#[derive(Debug, Clone, Copy)]
struct Now {
    /// Milliseconds since 1970.
    wall: i64,
    monotonic: Moment,
}

/// What the operations need to know.
#[derive(Debug, Clone, Copy)]
struct Options {
    keep_done: Duration,
    keep_body: Duration,
    keep_dead: Duration,
    max_pending: u64,
}

/// Between two parts of what an operator changes. It may be another process that does so, and one that waits for the
/// file's lock looks again after some milliseconds only.
const BREATH: Duration = Duration::from_millis(5);

impl SqliteInbox {
    /// Opens the file, and makes it if it is not there. What is dubious about its place comes back as warnings.
    pub(crate) fn open(options: SqliteOptions) -> Result<(Self, Vec<String>), InboxError> {
        let opened = open::open(&options)?;
        let leases = Arc::<Leases>::default();
        let inbox = Self {
            writer: Writer::start(opened.writer, Arc::clone(&leases), opened.owner)?,
            leases,
            reader: Arc::new(Mutex::new(opened.reader)),
            clock: options.clock,
            options: Options {
                keep_done: options.keep_done,
                keep_body: options.keep_body,
                keep_dead: options.keep_dead,
                max_pending: options.max_pending,
            },
        };
        Ok((inbox, filesystem::warnings(Path::new(&options.path))))
    }

    fn now(&self) -> Now {
        Now { wall: time::millis(self.clock.wall()), monotonic: self.clock.monotonic() }
    }

    /// The selected runs, in parts: each has a commit of its own, and between two of them others have their turn.
    async fn parts(&self, selection: &Selection) -> Result<Vec<Vec<i64>>, InboxError> {
        let wanted = selection.clone();
        let runs = self.read(move |connection| change::selected(connection, &wanted)).await?;
        Ok(runs.chunks(change::PART).map(<[i64]>::to_vec).collect())
    }

    /// Reads beside the writer, on a thread that may wait for the disk.
    fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, InboxError>> {
        let reader = Arc::clone(&self.reader);
        Box::pin(async move {
            let read = tokio::task::spawn_blocking(move || {
                work(&reader.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
            });
            match read.await {
                Ok(result) => result.map_err(|error| writer::inbox_error(&error)),
                Err(_) => Err(InboxError::unavailable("the process is going down")),
            }
        })
    }
}

impl Inbox for SqliteInbox {
    fn put(&self, parcel: Parcel) -> BoxFuture<'_, Result<Vec<Put>, InboxError>> {
        let (now, max_pending) = (self.now().wall, self.options.max_pending);
        Box::pin(self.writer.write(move |desk| put::put(desk, &parcel, now, max_pending)))
    }

    fn claim(&self, wanted: Wanted) -> BoxFuture<'_, Result<Claimed, InboxError>> {
        let (now, options) = (self.now(), self.options);
        Box::pin(self.writer.write(move |desk| Ok(claim::claim(desk, &wanted, now, &options)?)))
    }

    fn renew(&self, fence: Fence, lease: Duration) -> BoxFuture<'_, Result<bool, InboxError>> {
        let until = self.clock.monotonic().saturating_add(lease);
        Box::pin(std::future::ready(Ok(self.leases.renew(fence, until))))
    }

    fn settle(&self, fence: Fence, end: End) -> BoxFuture<'_, Result<bool, InboxError>> {
        let (now, options) = (self.now().wall, self.options);
        Box::pin(self.writer.write(move |desk| Ok(settle::settle(desk, fence, &end, now, &options)?)))
    }

    fn counts(&self) -> BoxFuture<'_, Result<Vec<ListenerCount>, InboxError>> {
        self.read(query::counts)
    }

    fn sweep(&self) -> BoxFuture<'_, Result<bool, InboxError>> {
        let now = self.now().wall;
        Box::pin(self.writer.write(move |desk| Ok(sweep::sweep(desk, now)?)))
    }

    fn list(&self, selection: Selection) -> BoxFuture<'_, Result<Vec<EventSummary>, InboxError>> {
        self.read(move |connection| query::list(connection, &selection))
    }

    fn show(&self, event: i64) -> BoxFuture<'_, Result<Option<EventRecord>, InboxError>> {
        self.read(move |connection| query::show(connection, event))
    }

    fn replay(&self, selection: Selection) -> BoxFuture<'_, Result<Replayed, InboxError>> {
        Box::pin(async move {
            let mut replayed = Replayed::default();
            for part in self.parts(&selection).await? {
                let selection = selection.clone();
                let part =
                    self.writer.write(move |desk| Ok(change::replay(desk, &part, &selection)?)).await?;
                replayed.runs += part.runs;
                replayed.without_body += part.without_body;
                tokio::time::sleep(BREATH).await;
            }
            Ok(replayed)
        })
    }

    fn discard(&self, selection: Selection) -> BoxFuture<'_, Result<u64, InboxError>> {
        Box::pin(async move {
            let mut forgotten = 0;
            for part in self.parts(&selection).await? {
                let (selection, now, options) = (selection.clone(), self.now().wall, self.options);
                let forget = move |desk: &mut writer::Desk| {
                    Ok(change::discard(desk, &part, &selection, now, &options)?)
                };
                forgotten += self.writer.write(forget).await?;
                tokio::time::sleep(BREATH).await;
            }
            Ok(forgotten)
        })
    }

    fn forget_event(&self, key: EventKey) -> BoxFuture<'_, Result<bool, InboxError>> {
        Box::pin(self.writer.write(move |desk| Ok(change::forget_event(desk, &key)?)))
    }
}
