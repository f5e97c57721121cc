//! From a path to connections: durable, locked, and in order after a crash.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, params};

use super::{SqliteOptions, ordered, schema, time};
use crate::inbox::{InboxError, failure};

/// What [`open`] yields.
pub(super) struct Opened {
    pub(super) writer: Connection,
    pub(super) reader: Connection,
    /// Holds the lock by which the file is this process's to work off. The lock ends with the process, however it ends.
    pub(super) owner: Option<Connection>,
}

/// How long another process is waited for: one that is being replaced needs a moment to finish.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn open(options: &SqliteOptions) -> Result<Opened, InboxError> {
    let path = &options.path;
    if !options.exclusive && !path.exists() {
        return Err(InboxError::unavailable(format!("there is no {} yet", path.display())));
    }
    create_private(path)?;
    let owner = if options.exclusive { Some(own(path)?) } else { None };
    let in_words = |error: rusqlite::Error| InboxError::unavailable(format!("{}: {error}", path.display()));
    let mut writer = connect(path).map_err(in_words)?;
    schema::prepare(&mut writer)
        .map_err(in_words)?
        .map_err(|why| InboxError::unavailable(format!("{}: {why}", path.display())))?;
    if owner.is_some() {
        recover(&writer, time::millis(options.clock.wall())).map_err(in_words)?;
    }
    let reader = connect(path).map_err(in_words)?;
    reader.pragma_update(None, "query_only", true).map_err(in_words)?;
    Ok(Opened { writer, reader, owner })
}

/// For its owner only: bodies hold personal data. SQLite's other files take after this one.
fn create_private(path: &Path) -> Result<(), InboxError> {
    let mut file = std::fs::OpenOptions::new();
    file.create(true).truncate(false).read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600);
    file.open(path)
        .map(drop)
        .map_err(|error| InboxError::unavailable(format!("{} cannot be opened: {error}", path.display())))
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(PATIENCE)?;
    // Before there are tables: freed pages can be given back to the file system.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(rusqlite::Error::InvalidParameterName(format!(
            "no write-ahead log is possible here ({mode})"
        )));
    }
    // A commit returns when it is on disk: https://sqlite.org/pragma.html#pragma_synchronous
    connection.pragma_update(None, "synchronous", "FULL")?;
    // On macOS an fsync alone does not reach the disk.
    connection.pragma_update(None, "fullfsync", true)?;
    // After a burst the log shrinks again.
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Takes the lock of the file beside: two processes that both work an inbox off would take turns in losing runs.
///
/// It is SQLite's own lock on a file of its own, so that an operator's tool can still open the inbox itself.
fn own(path: &Path) -> Result<Connection, InboxError> {
    let mut lock = path.as_os_str().to_owned();
    lock.push(".lock");
    create_private(Path::new(&lock))?;
    let take = || {
        let connection = Connection::open(&lock)?;
        connection.busy_timeout(PATIENCE)?;
        connection.execute_batch("BEGIN EXCLUSIVE")?;
        Ok(connection)
    };
    take().map_err(|error: rusqlite::Error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
            InboxError::unavailable(format!("{} is another process's: an inbox has one", path.display()))
        }
        _ => InboxError::unavailable(format!("{}: {error}", Path::new(&lock).display())),
    })
}

/// Nothing runs, for nobody else could have run it: attempts that were begun never ended.
fn recover(connection: &Connection, now: i64) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT OR REPLACE INTO failures (run, attempt, at, error)
         SELECT id, attempt, ?1, ?2 FROM runs INDEXED BY runs_suspect WHERE state = 0 AND unsettled > 0 AND held = 1",
        params![now, failure::NEVER_ENDED],
    )?;
    let sql = "UPDATE runs SET held = 0, due_at = 0 WHERE state = 0 AND unsettled > 0 AND held = 1";
    let interrupted = connection.execute(sql, [])?;
    ordered::move_all_up(connection)?;
    if interrupted > 0 {
        tracing::warn!(
            interrupted,
            "runs were interrupted when the process last ended; they are tried again, one by one"
        );
    }
    Ok(())
}
