//! Runs that share an order key: the first goes on, the others are blocked, which keeps them out of every claim's sight.
//!
//! `blocked` says that a run need not be looked at. Whenever a run ends, in whatever way, the first of those that are
//! left is unblocked; whether it may really go on is decided by the claim that finds it, and if not, it is blocked
//! again. So a claim never looks at a run twice in vain, however many wait.

use rusqlite::{Connection, params};

use crate::inbox::order::OrderKey;

/// Whether a run `r` may go on: none of the same order key is under way, and none is in front. `?2` says whether the
/// dead count.
pub(super) const IN_ORDER: &str = "(r.order_key IS NULL OR NOT (
    EXISTS (SELECT 1 FROM runs f INDEXED BY runs_held
            WHERE f.listener = r.listener AND f.order_key = r.order_key AND f.held = 1)
    OR EXISTS (SELECT 1 FROM runs f INDEXED BY runs_ordered
               WHERE f.listener = r.listener AND f.order_key = r.order_key AND f.state = 0 AND f.event < r.event)
    OR ?2 AND EXISTS (SELECT 1 FROM runs f INDEXED BY runs_ordered_dead
                      WHERE f.listener = r.listener AND f.order_key = r.order_key AND f.state = 2
                      AND f.event < r.event)))";

/// Those whose order it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) listener: &'a str,
    pub(super) key: OrderKey,
}

/// Whether a new run would be behind others.
pub(super) fn is_occupied(connection: &Connection, line: Line<'_>) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM runs INDEXED BY runs_ordered
                              WHERE listener = ?1 AND order_key = ?2 AND state = 0)";
    connection.prepare_cached(sql)?.query_row(params![line.listener, line.key], |row| row.get(0))
}

/// Takes a run that may not go on out of sight.
pub(super) fn block(connection: &Connection, run: i64) -> rusqlite::Result<()> {
    connection.prepare_cached("UPDATE runs SET blocked = 1 WHERE id = ?1")?.execute([run])?;
    Ok(())
}

/// Has the first of those that are left looked at.
pub(super) fn move_up(connection: &Connection, line: Line<'_>) -> rusqlite::Result<()> {
    let sql = "UPDATE runs SET blocked = 0 WHERE blocked = 1 AND id = (
                   SELECT id FROM runs INDEXED BY runs_ordered
                   WHERE listener = ?1 AND order_key = ?2 AND state = 0 ORDER BY event LIMIT 1)";
    connection.prepare_cached(sql)?.execute(params![line.listener, line.key])?;
    Ok(())
}

/// Has the first of every line looked at: what the dead hold up may have changed since the last start.
pub(super) fn move_all_up(connection: &Connection) -> rusqlite::Result<()> {
    let sql = "UPDATE runs SET blocked = 0 WHERE id IN (
                   SELECT r.id FROM runs r INDEXED BY runs_blocked WHERE r.state = 0 AND r.blocked = 1
                   AND NOT EXISTS (SELECT 1 FROM runs f INDEXED BY runs_ordered
                                   WHERE f.listener = r.listener AND f.order_key = r.order_key AND f.state = 0
                                   AND f.event < r.event))";
    connection.execute(sql, []).map(drop)
}
