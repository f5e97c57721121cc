//! The tables.

use rusqlite::{Connection, TransactionBehavior};

/// The version of the tables, in SQLite's `user_version`.
const VERSION: i64 = 1;

/// "wh" and the number of this format, in SQLite's `application_id`: the file is ours and nobody else's.
const APPLICATION: i64 = 0x7768_3031;

/// `deliveries` are requests, `events` what happened (a batch has several), `runs` one listener's part in one event,
/// `failures` the attempts that came to nothing. `tokens` are those that signatures cover instead of bodies, each with
/// the digest of the body that it first came with.
///
/// A run's `state` is 0 pending, 1 done, 2 dead. `attempt` only grows and is the fence; `spent` is what counts against
/// `max_attempts` and begins afresh with a replay; `unsettled` is how many claims in a row were never settled, and `held`
/// says that the last one was not yet. `due_at` is 0 for a run that waits for nothing: no correction of the machine's
/// time can postpone it. `blocked` runs are behind others of their order key, see `ordered`.
///
/// The indexes are partial, so that what is done costs nothing: they stay as small as what is under way.
const TABLES: &str = "
CREATE TABLE deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    source TEXT NOT NULL,
    delivery BLOB NOT NULL,
    received_at INTEGER NOT NULL,
    signed INTEGER NOT NULL,
    secret_index INTEGER,
    signed_at INTEGER,
    headers BLOB,
    body BLOB
);
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    delivery INTEGER NOT NULL,
    key TEXT UNIQUE,
    event_id TEXT,
    type TEXT NOT NULL,
    payload_start INTEGER,
    payload_length INTEGER,
    payload BLOB,
    retention INTEGER NOT NULL,
    strip_at INTEGER,
    stripped INTEGER NOT NULL DEFAULT 0,
    purge_at INTEGER
);
CREATE INDEX events_delivery ON events (delivery);
CREATE INDEX events_id ON events (event_id) WHERE event_id IS NOT NULL;
CREATE INDEX events_strip ON events (strip_at) WHERE strip_at IS NOT NULL;
CREATE INDEX events_purge ON events (purge_at) WHERE purge_at IS NOT NULL;
CREATE TABLE runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    event INTEGER NOT NULL,
    listener TEXT NOT NULL,
    order_key BLOB,
    state INTEGER NOT NULL DEFAULT 0,
    attempt INTEGER NOT NULL DEFAULT 0,
    spent INTEGER NOT NULL DEFAULT 0,
    unsettled INTEGER NOT NULL DEFAULT 0,
    held INTEGER NOT NULL DEFAULT 0,
    blocked INTEGER NOT NULL DEFAULT 0,
    replay INTEGER NOT NULL DEFAULT 0,
    due_at INTEGER NOT NULL DEFAULT 0,
    settled_at INTEGER,
    reason TEXT,
    UNIQUE (event, listener)
);
CREATE INDEX runs_due ON runs (listener, due_at, id) WHERE state = 0 AND unsettled = 0 AND blocked = 0;
CREATE INDEX runs_suspect ON runs (listener, held) WHERE state = 0 AND unsettled > 0;
CREATE INDEX runs_blocked ON runs (listener) WHERE state = 0 AND blocked = 1;
CREATE INDEX runs_ordered ON runs (listener, order_key, event) WHERE state = 0 AND order_key IS NOT NULL;
CREATE INDEX runs_ordered_dead ON runs (listener, order_key, event) WHERE state = 2 AND order_key IS NOT NULL;
CREATE INDEX runs_held ON runs (listener, order_key) WHERE held = 1 AND order_key IS NOT NULL;
CREATE INDEX runs_dead ON runs (listener) WHERE state = 2;
CREATE TABLE tokens (
    key TEXT PRIMARY KEY,
    body TEXT NOT NULL,
    until INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX tokens_until ON tokens (until);
CREATE TABLE failures (
    run INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    at INTEGER NOT NULL,
    error TEXT NOT NULL,
    PRIMARY KEY (run, attempt)
) WITHOUT ROWID;
";

/// Makes the tables in a new file; in an old one, looks whether they are those that this version knows. That is done
/// without a lock, so that a service which writes all the time keeps no operator waiting.
pub(super) fn prepare(connection: &mut Connection) -> rusqlite::Result<Result<(), String>> {
    if let Some(known) = look(connection)? {
        return Ok(known);
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have made them meanwhile.
    if let Some(known) = look(&transaction)? {
        return Ok(known);
    }
    transaction.execute_batch(TABLES)?;
    transaction
        .execute_batch(&format!("PRAGMA user_version = {VERSION}; PRAGMA application_id = {APPLICATION};"))?;
    transaction.commit()?;
    Ok(Ok(()))
}

/// Whether the tables that are there are ours. `None`: there are none.
fn look(connection: &Connection) -> rusqlite::Result<Option<Result<(), String>>> {
    let sql = "SELECT (SELECT count(*) FROM sqlite_schema), application_id, user_version
               FROM pragma_application_id, pragma_user_version";
    let (tables, application, version): (i64, i64, i64) =
        connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(match (tables, application, version) {
        (0, ..) => None,
        (_, APPLICATION, VERSION) => Some(Ok(())),
        (_, APPLICATION, other) => {
            Some(Err(format!("it was written by another version (tables {other}, known are {VERSION})")))
        }
        _ => Some(Err("it is a database of something else".to_owned())),
    })
}
