//! From a path to connections: durable, locked, and in order after a crash.

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, params};

use super::owner::Owner;
use super::{SqliteOptions, ordered, schema, time};
use crate::inbox::{Access, InboxError, failure};

/// What [`open`] yields.
pub(super) struct Opened {
    pub(super) writer: Connection,
    pub(super) reader: Connection,
    /// Proves that the file is this process's to work off.
    pub(super) owner: Option<Owner>,
}

/// How long a service waits for another process that writes just now: an operator's tool.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long an operator's tool waits for the service, which may write all the time: no provider waits with it.
const OPERATORS_PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn open(options: &SqliteOptions) -> Result<Opened, InboxError> {
    if options.access == Access::Operator && !options.path.exists() {
        return Err(InboxError::unavailable(format!("there is no {} yet", options.path.display())));
    }
    let path = &real(&options.path)?;
    let owner = match options.access {
        Access::Worker { patience } => Some(Owner::of(path, patience)?),
        Access::Operator => None,
    };
    let patience = if owner.is_some() { PATIENCE } else { OPERATORS_PATIENCE };
    let in_words = |error: rusqlite::Error| InboxError::unavailable(format!("{}: {error}", path.display()));
    let mut writer = connect(path, patience).map_err(in_words)?;
    schema::prepare(&mut writer)
        .map_err(in_words)?
        .map_err(|why| InboxError::unavailable(format!("{}: {why}", path.display())))?;
    if owner.is_some() {
        recover(&writer, time::millis(options.clock.wall())).map_err(in_words)?;
    }
    let reader = connect(path, patience).map_err(in_words)?;
    reader.pragma_update(None, "query_only", true).map_err(in_words)?;
    Ok(Opened { writer, reader, owner })
}

/// Makes the file if it is not there: for its owner only, since bodies hold personal data. SQLite's other files take
/// after this one.
///
/// One that is there is never opened but by SQLite: whoever closes a file gives up all locks that his process holds on
/// it (<https://sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_>), and
/// then another process could take it, and with it what this one has acknowledged.
pub(super) fn make(path: &Path) -> Result<(), InboxError> {
    let mut file = OpenOptions::new();
    file.create_new(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600);
    match file.open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(InboxError::unavailable(format!("{} cannot be made: {error}", path.display())))
        }
        _ => Ok(()),
    }
}

/// The file's one name, however many lead to it: whoever asks by another must find the same lock.
fn real(path: &Path) -> Result<PathBuf, InboxError> {
    make(path)?;
    path.canonicalize()
        .map_err(|error| InboxError::unavailable(format!("{} cannot be opened: {error}", path.display())))
}

fn connect(path: &Path, patience: Duration) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(patience)?;
    // Before there are tables: freed pages can be given back to the file system. Set again it would be written again,
    // and wait for whoever writes.
    const INCREMENTAL: i64 = 2;
    if connection.pragma_query_value(None, "auto_vacuum", |row| row.get::<_, i64>(0))? != INCREMENTAL {
        connection.pragma_update(None, "auto_vacuum", INCREMENTAL)?;
    }
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
