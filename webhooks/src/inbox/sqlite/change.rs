//! What operators change.

use rusqlite::{OptionalExtension, params, params_from_iter};

use super::query::Conditions;
use super::writer::Desk;
use super::{Options, settle, sweep};
use crate::inbox::record::{Replayed, Selection};
use crate::store::EventKey;

/// Begins the selected runs afresh.
pub(super) fn replay(desk: &mut Desk, selection: &Selection, now: i64) -> rusqlite::Result<Replayed> {
    let mut replayed = Replayed::default();
    for (run, event) in selected(desk, selection)? {
        let sql = "SELECT d.body IS NOT NULL AND e.stripped = 0 FROM events e JOIN deliveries d ON d.id = e.delivery WHERE e.id = ?1";
        let has_body: bool = desk.connection.prepare_cached(sql)?.query_row([event], |row| row.get(0))?;
        if !has_body {
            replayed.without_body += 1;
            continue;
        }
        // One that runs just now is left alone: it would run twice at a time.
        let sql =
            "UPDATE runs SET state = 0, spent = 0, unsettled = 0, replay = 1, due_at = ?2, settled_at = NULL,
                   reason = NULL WHERE id = ?1 AND NOT (state = 0 AND unsettled > 0)";
        let changed = desk.connection.prepare_cached(sql)?.execute(params![run, now])?;
        replayed.runs += u64::try_from(changed).unwrap_or_default();
        let sql = "UPDATE events SET strip_at = NULL, purge_at = NULL WHERE id = ?1";
        desk.connection.prepare_cached(sql)?.execute([event])?;
    }
    desk.forget_pending();
    Ok(replayed)
}

/// Drops the selected runs, and the events that are left without one.
pub(super) fn forget(
    desk: &mut Desk,
    selection: &Selection,
    now: i64,
    options: &Options,
) -> rusqlite::Result<u64> {
    let mut forgotten = 0;
    for (run, event) in selected(desk, selection)? {
        desk.connection.prepare_cached("DELETE FROM failures WHERE run = ?1")?.execute([run])?;
        let deleted = desk.connection.prepare_cached("DELETE FROM runs WHERE id = ?1")?.execute([run])?;
        forgotten += u64::try_from(deleted).unwrap_or_default();
        let sql = "SELECT EXISTS (SELECT 1 FROM runs WHERE event = ?1)";
        let others: bool = desk.connection.prepare_cached(sql)?.query_row([event], |row| row.get(0))?;
        if others {
            settle::close(desk, event, now, options)?;
        } else {
            sweep::remove(&desk.connection, event)?;
        }
    }
    desk.forget_pending();
    Ok(forgotten)
}

/// Forgets an event that has no pending run. `false`: there is none of this key.
pub(super) fn forget_event(desk: &Desk, key: &EventKey) -> rusqlite::Result<bool> {
    let sql = "SELECT id FROM events WHERE key = ?1
               AND NOT EXISTS (SELECT 1 FROM runs WHERE event = events.id AND state = 0)";
    let mut select = desk.connection.prepare_cached(sql)?;
    let event: Option<i64> = select.query_row([key.to_string()], |row| row.get(0)).optional()?;
    event.map(|event| sweep::remove(&desk.connection, event)).transpose().map(|removed| removed.is_some())
}

/// The selected runs, the latest first, each with its event.
fn selected(desk: &Desk, selection: &Selection) -> rusqlite::Result<Vec<(i64, i64)>> {
    let conditions = Conditions::of(selection);
    let sql = format!(
        "SELECT r.id, r.event FROM runs r JOIN events e ON e.id = r.event JOIN deliveries d ON d.id = e.delivery
         WHERE {} ORDER BY r.id DESC LIMIT {}",
        conditions.text(),
        selection.limit.map_or(-1, i64::from)
    );
    let mut select = desk.connection.prepare_cached(&sql)?;
    let found =
        select.query_map(params_from_iter(conditions.values()), |row| Ok((row.get(0)?, row.get(1)?)))?;
    found.collect()
}
