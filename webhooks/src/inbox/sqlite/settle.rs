//! Ends attempts, and with the last of an event's runs begins to count how long it is kept.

use rusqlite::{OptionalExtension, params};

use super::ordered::{self, Line};
use super::writer::Desk;
use super::{Options, time};
use crate::inbox::{End, Fence, failure};
use crate::store::DeadReason;

/// Ends an attempt. `false`: it is no longer the last one.
pub(super) fn settle(
    desk: &mut Desk,
    fence: Fence,
    end: &End,
    now: i64,
    options: &Options,
) -> rusqlite::Result<bool> {
    let Fence { run, attempt } = fence;
    desk.ended.push(fence);
    let sql = "SELECT event, listener, order_key FROM runs WHERE id = ?1 AND attempt = ?2 AND state = 0 AND held = 1";
    let mut select = desk.connection.prepare_cached(sql)?;
    let found = select.query_row(params![run, attempt], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, Option<_>>(2)?))
    });
    let found = found.optional()?;
    drop(select);
    let Some((event, listener, order_key)) = found else { return Ok(false) };
    let line = order_key.map(|key| Line { listener: &listener, key });
    match end {
        End::Done => {
            finish(desk, run, line, 1, None, now)?;
            close(desk, event, now, options)?;
        }
        End::Dead { reason, error } => {
            note_failure(desk, run, attempt, now, error)?;
            bury(desk, run, event, line, *reason, now, options)?;
        }
        End::Retry { delay, error } => {
            note_failure(desk, run, attempt, now, error)?;
            let sql = "UPDATE runs SET unsettled = 0, held = 0, due_at = ?2 WHERE id = ?1";
            let due_at = now.saturating_add(time::span(*delay));
            desk.connection.prepare_cached(sql)?.execute(params![run, due_at])?;
            move_up(desk, line)?;
        }
        End::Released => {
            // As it was before the claim, but for the fence.
            let sql = "UPDATE runs SET unsettled = unsettled - 1, spent = spent - 1, held = 0, due_at = 0 WHERE id = ?1";
            desk.connection.prepare_cached(sql)?.execute([run])?;
            move_up(desk, line)?;
        }
    }
    Ok(true)
}

/// Gives a run up.
pub(super) fn bury(
    desk: &mut Desk,
    run: i64,
    event: i64,
    line: Option<Line<'_>>,
    reason: DeadReason,
    now: i64,
    options: &Options,
) -> rusqlite::Result<()> {
    finish(desk, run, line, 2, Some(reason), now)?;
    close(desk, event, now, options)
}

/// Notes why an attempt came to nothing.
pub(super) fn note_failure(
    desk: &Desk,
    run: i64,
    attempt: u32,
    now: i64,
    error: &str,
) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO failures (run, attempt, at, error) VALUES (?1, ?2, ?3, ?4)";
    desk.connection.prepare_cached(sql)?.execute(params![run, attempt, now, failure::kept(error)])?;
    Ok(())
}

/// If none of the event's runs is pending any more: from now on it is kept for so long.
pub(super) fn close(desk: &Desk, event: i64, now: i64, options: &Options) -> rusqlite::Result<()> {
    let sql = "SELECT count(*) FILTER (WHERE state = 0), count(*) FILTER (WHERE state = 2) FROM runs WHERE event = ?1";
    let (pending, dead): (i64, i64) =
        desk.connection.prepare_cached(sql)?.query_row([event], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if pending > 0 {
        return Ok(());
    }
    // A provider that sends an event again must find it known for as long as it may do so.
    if dead > 0 {
        let sql = "UPDATE events SET strip_at = NULL, purge_at = ?3 + max(?2, retention) WHERE id = ?1";
        let mut update = desk.connection.prepare_cached(sql)?;
        update.execute(params![event, time::span(options.keep_dead), now])?;
        return Ok(());
    }
    let sql = "UPDATE events SET strip_at = CASE WHEN stripped THEN NULL ELSE ?2 END,
                                 purge_at = ?4 + max(?3, retention) WHERE id = ?1";
    desk.connection.prepare_cached(sql)?.execute(params![
        event,
        now.saturating_add(time::span(options.keep_body)),
        time::span(options.keep_done),
        now
    ])?;
    Ok(())
}

fn finish(
    desk: &mut Desk,
    run: i64,
    line: Option<Line<'_>>,
    state: u8,
    reason: Option<DeadReason>,
    now: i64,
) -> rusqlite::Result<()> {
    let sql =
        "UPDATE runs SET state = ?2, unsettled = 0, held = 0, settled_at = ?3, reason = ?4 WHERE id = ?1";
    let reason = reason.map(DeadReason::code);
    desk.connection.prepare_cached(sql)?.execute(params![run, state, now, reason])?;
    desk.note_pending(-1);
    move_up(desk, line)
}

fn move_up(desk: &Desk, line: Option<Line<'_>>) -> rusqlite::Result<()> {
    line.map_or(Ok(()), |line| ordered::move_up(&desk.connection, line))
}
