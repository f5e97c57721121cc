//! What operators change, a part at a time: deliveries wait meanwhile.

use rusqlite::{Connection, OptionalExtension, params_from_iter};

use super::ordered::{self, Line};
use super::query::Conditions;
use super::writer::Desk;
use super::{Options, settle, sweep};
use crate::inbox::order::OrderKey;
use crate::inbox::record::{Replayed, Selection};
use crate::store::EventKey;

/// How many runs are changed together.
pub(super) const PART: usize = 200;

/// The selected runs, the latest first. A change of one of them asks again whether it is still selected.
pub(super) fn selected(connection: &Connection, selection: &Selection) -> rusqlite::Result<Vec<i64>> {
    let conditions = Conditions::of(selection);
    let limit = selection.limit.map_or(-1, i64::from);
    let sql = format!("SELECT r.id FROM {RUNS} WHERE {} ORDER BY r.id DESC LIMIT {limit}", conditions.text());
    let mut select = connection.prepare_cached(&sql)?;
    let found = select.query_map(params_from_iter(conditions.values()), |row| row.get(0))?;
    found.collect()
}

/// Begins these runs afresh, as far as they are selected.
pub(super) fn replay(desk: &mut Desk, runs: &[i64], selection: &Selection) -> rusqlite::Result<Replayed> {
    let mut replayed = Replayed::default();
    for run in runs {
        let Some(Selected { event, is_pending, has_body, .. }) = select(desk, *run, selection)? else {
            continue;
        };
        if !has_body {
            replayed.without_body += 1;
            continue;
        }
        // One that runs just now is left alone: it would run twice at a time.
        let sql = "UPDATE runs SET state = 0, spent = 0, unsettled = 0, blocked = 0, replay = 1, due_at = 0,
                   settled_at = NULL, reason = NULL WHERE id = ?1 AND NOT (state = 0 AND held = 1)";
        let changed = desk.connection.prepare_cached(sql)?.execute([run])?;
        replayed.runs += u64::try_from(changed).unwrap_or_default();
        desk.note_pending(i64::from(!is_pending));
        let sql = "UPDATE events SET strip_at = NULL, purge_at = NULL WHERE id = ?1";
        desk.connection.prepare_cached(sql)?.execute([event])?;
    }
    Ok(replayed)
}

/// Drops these runs, as far as they are selected, and the events that are left without one.
pub(super) fn discard(
    desk: &mut Desk,
    runs: &[i64],
    selection: &Selection,
    now: i64,
    options: &Options,
) -> rusqlite::Result<u64> {
    let mut forgotten = 0;
    for run in runs {
        let Some(Selected { event, listener, order_key, is_pending, .. }) = select(desk, *run, selection)?
        else {
            continue;
        };
        desk.connection.prepare_cached("DELETE FROM failures WHERE run = ?1")?.execute([run])?;
        desk.connection.prepare_cached("DELETE FROM runs WHERE id = ?1")?.execute([run])?;
        desk.dropped.push(*run);
        desk.note_pending(-i64::from(is_pending));
        forgotten += 1;
        if let Some(key) = order_key {
            ordered::move_up(&desk.connection, Line { listener: &listener, key })?;
        }
        let sql = "SELECT EXISTS (SELECT 1 FROM runs WHERE event = ?1)";
        let others: bool = desk.connection.prepare_cached(sql)?.query_row([event], |row| row.get(0))?;
        if others {
            settle::close(desk, event, now, options)?;
        } else {
            sweep::remove(&desk.connection, event)?;
        }
    }
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

/// Runs `r`, their events `e` and deliveries `d`.
const RUNS: &str = "runs r JOIN events e ON e.id = r.event JOIN deliveries d ON d.id = e.delivery";

/// A run that is selected.
struct Selected {
    event: i64,
    listener: String,
    order_key: Option<OrderKey>,
    is_pending: bool,
    has_body: bool,
}

/// The run, if it is still selected.
fn select(desk: &Desk, run: i64, selection: &Selection) -> rusqlite::Result<Option<Selected>> {
    let conditions = Conditions::of(selection).and("r.id = ?", run);
    let sql = format!(
        "SELECT r.event, r.listener, r.order_key, r.state = 0, d.body IS NOT NULL AND e.stripped = 0 FROM {RUNS} WHERE {}",
        conditions.text()
    );
    let mut select = desk.connection.prepare_cached(&sql)?;
    let found = select.query_row(params_from_iter(conditions.values()), |row| {
        Ok(Selected {
            event: row.get(0)?,
            listener: row.get(1)?,
            order_key: row.get(2)?,
            is_pending: row.get(3)?,
            has_body: row.get(4)?,
        })
    });
    found.optional()
}
