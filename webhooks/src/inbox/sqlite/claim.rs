//! Takes runs that are due, and keeps them.

use std::time::Duration;

use bytes::Bytes;
use rusqlite::{Row, params};

use super::writer::Desk;
use super::{Options, settle, time};
use crate::delivery::SourceName;
use crate::inbox::{
    Claimed, ClaimedRun, Fence, GivenUp, MAX_UNSETTLED, StoredEvent, Wanted, WantedListener, failure,
};
use crate::scheme::Verified;
use crate::store::{DeadReason, EventKey};

/// Takes runs that are due: a suspect alone, or others up to the limits.
pub(super) fn claim(
    desk: &mut Desk,
    wanted: &Wanted,
    now: i64,
    options: &Options,
) -> rusqlite::Result<Claimed> {
    let mut claimed = Claimed::default();
    if let Some((suspect, listener)) = suspects(desk, wanted, now, options, &mut claimed)? {
        claimed.suspect = true;
        if wanted.idle {
            claimed.runs.push(take(desk, &suspect, listener, now, wanted.lease)?);
        }
        return Ok(claimed);
    }
    for listener in &wanted.listeners {
        let limit = listener.limit.min(wanted.limit - claimed.runs.len());
        if limit == 0 {
            continue;
        }
        for due in due(desk, listener, limit, now)? {
            claimed.runs.push(take(desk, &due, listener, now, wanted.lease)?);
        }
    }
    claimed.next_due = next_due(desk, wanted, now)?;
    Ok(claimed)
}

/// Moves a lease on. `false`: the run is no longer the caller's.
pub(super) fn renew(desk: &mut Desk, fence: Fence, now: i64, lease: Duration) -> rusqlite::Result<bool> {
    let sql = "UPDATE runs SET due_at = ?3 WHERE id = ?1 AND attempt = ?2 AND state = 0 AND unsettled > 0";
    let mut update = desk.connection.prepare_cached(sql)?;
    let until = now.saturating_add(time::span(lease));
    Ok(update.execute(params![fence.run, fence.attempt, until])? > 0)
}

/// A run that may be taken.
struct Due {
    run: i64,
    event: i64,
    attempt: u32,
    spent: u32,
    unsettled: u32,
    replay: bool,
}

/// The columns of [`Due`], of a table `r`.
const DUE: &str = "r.id, r.event, r.attempt, r.spent, r.unsettled, r.replay";

/// Nobody of the same order key is in front: `?3` says whether the dead count.
const IN_ORDER: &str = "(r.order_key IS NULL OR NOT EXISTS (
    SELECT 1 FROM runs f WHERE f.listener = r.listener AND f.order_key = r.order_key AND f.event < r.event
    AND f.state <> 1 AND (f.state = 0 OR ?3)))";

impl Due {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            run: row.get(0)?,
            event: row.get(1)?,
            attempt: row.get(2)?,
            spent: row.get(3)?,
            unsettled: row.get(4)?,
            replay: row.get(5)?,
        })
    }
}

impl Due {
    /// Why a suspect is not tried once more.
    fn had_its_last_chance(&self, listener: &WantedListener) -> Option<DeadReason> {
        match self {
            _ if self.unsettled >= MAX_UNSETTLED => Some(DeadReason::CrashLoop),
            _ if self.spent >= listener.max_attempts => Some(DeadReason::AttemptsExhausted),
            _ => None,
        }
    }
}

/// The suspect whose turn it is: one with the fewest claims that came to nothing, for the others are the likelier
/// culprits. Those that had their last chance are given up.
fn suspects<'w>(
    desk: &mut Desk,
    wanted: &'w Wanted,
    now: i64,
    options: &Options,
    claimed: &mut Claimed,
) -> rusqlite::Result<Option<(Due, &'w WantedListener)>> {
    let mut all = Vec::new();
    for listener in &wanted.listeners {
        let sql = format!(
            "SELECT {DUE} FROM runs r INDEXED BY runs_suspect
             WHERE r.state = 0 AND r.unsettled > 0 AND r.due_at <= ?2 AND r.listener = ?1 AND {IN_ORDER}"
        );
        let mut select = desk.connection.prepare_cached(&sql)?;
        let found = select.query_map(params![&*listener.id, now, listener.dead_blocks], Due::read)?;
        for due in found {
            all.push((due?, listener));
        }
    }
    let (given_up, mut left): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|(due, listener)| due.had_its_last_chance(listener).is_some());
    for (due, listener) in given_up {
        claimed.given_up.push(give_up(desk, &due, listener, now, options)?);
    }
    left.sort_by_key(|(due, _)| (due.unsettled, due.run));
    Ok(left.into_iter().next())
}

fn give_up(
    desk: &mut Desk,
    due: &Due,
    listener: &WantedListener,
    now: i64,
    options: &Options,
) -> rusqlite::Result<GivenUp> {
    note_unsettled(desk, due, now)?;
    let reason = due.had_its_last_chance(listener).unwrap_or(DeadReason::CrashLoop);
    settle::bury(desk, due.run, due.event, reason, now, options)?;
    let event = load(desk, due.event)?;
    Ok(GivenUp {
        reason,
        source: event.source.to_string(),
        event_id: event.id,
        listener: listener.id.to_string(),
        attempts: due.spent,
    })
}

fn due(desk: &Desk, listener: &WantedListener, limit: usize, now: i64) -> rusqlite::Result<Vec<Due>> {
    let sql = format!(
        "SELECT {DUE} FROM runs r INDEXED BY runs_due
         WHERE r.listener = ?1 AND r.state = 0 AND r.due_at <= ?2 AND r.unsettled = 0 AND {IN_ORDER}
         ORDER BY r.due_at, r.id LIMIT ?4"
    );
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut select = desk.connection.prepare_cached(&sql)?;
    let due = select.query_map(params![&*listener.id, now, listener.dead_blocks, limit], Due::read)?;
    due.collect()
}

fn take(
    desk: &mut Desk,
    due: &Due,
    listener: &WantedListener,
    now: i64,
    lease: Duration,
) -> rusqlite::Result<ClaimedRun> {
    if due.unsettled > 0 {
        note_unsettled(desk, due, now)?;
    }
    let sql =
        "UPDATE runs SET attempt = attempt + 1, spent = spent + 1, unsettled = unsettled + 1, due_at = ?2
               WHERE id = ?1";
    let until = now.saturating_add(time::span(lease));
    desk.connection.prepare_cached(sql)?.execute(params![due.run, until])?;
    Ok(ClaimedRun {
        fence: Fence { run: due.run, attempt: due.attempt + 1 },
        listener: listener.id.to_string(),
        attempt: due.spent + 1,
        is_replay: due.replay,
        event: load(desk, due.event)?,
    })
}

/// What an attempt left behind that never ended.
fn note_unsettled(desk: &Desk, due: &Due, now: i64) -> rusqlite::Result<()> {
    settle::note_failure(desk, due.run, due.attempt, now, failure::NEVER_ENDED)
}

fn next_due(desk: &Desk, wanted: &Wanted, now: i64) -> rusqlite::Result<Option<Duration>> {
    let sql =
        "SELECT min(due_at) FROM runs INDEXED BY runs_due WHERE listener = ?1 AND state = 0 AND due_at > ?2";
    let mut select = desk.connection.prepare_cached(sql)?;
    let mut next = None::<i64>;
    for listener in &wanted.listeners {
        let due: Option<i64> = select.query_row(params![&*listener.id, now], |row| row.get(0))?;
        next = [next, due].into_iter().flatten().min();
    }
    Ok(next.map(|due| Duration::from_millis(u64::try_from(due - now).unwrap_or_default())))
}

fn load(desk: &Desk, event: i64) -> rusqlite::Result<StoredEvent> {
    let sql = "SELECT d.source, d.delivery, d.received_at, d.signed, d.secret_index, d.signed_at, d.headers, d.body,
                      e.event_id, e.type, e.payload_start, e.payload_length, e.payload, e.key
               FROM events e JOIN deliveries d ON d.id = e.delivery WHERE e.id = ?1";
    desk.connection.prepare_cached(sql)?.query_row([event], |row| {
        let source: String = row.get(0)?;
        let body = Bytes::from(row.get::<_, Option<Vec<u8>>>(7)?.unwrap_or_default());
        let range = place(row, 10)?.zip(place(row, 11)?);
        let payload = match range {
            Some((start, length)) if start.checked_add(length).is_some_and(|end| end <= body.len()) => {
                body.slice(start..start + length)
            }
            _ => Bytes::from(row.get::<_, Option<Vec<u8>>>(12)?.unwrap_or_default()),
        };
        Ok(StoredEvent {
            source: SourceName::new(&source).ok_or(rusqlite::Error::InvalidQuery)?,
            delivery_id: u128::from_be_bytes(row.get(1)?),
            received_at: time::time(row.get(2)?),
            verified: verified(row.get(3)?, row.get(4)?, row.get(5)?),
            headers: row.get::<_, Option<Vec<u8>>>(6)?.unwrap_or_default(),
            key: row.get::<_, Option<String>>(13)?.as_deref().and_then(EventKey::parse),
            id: row.get(8)?,
            event_type: row.get(9)?,
            payload,
            body,
        })
    })
}

/// A position in the body.
fn place(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<usize>> {
    Ok(row.get::<_, Option<u32>>(column)?.and_then(|it| usize::try_from(it).ok()))
}

fn verified(signed: bool, secret_index: Option<u32>, signed_at: Option<i64>) -> Verified {
    if !signed {
        return Verified::unsigned();
    }
    let secret_index = secret_index.and_then(|it| usize::try_from(it).ok());
    let verified = secret_index.map_or_else(Verified::new, Verified::by_secret);
    signed_at.map_or(verified, |at| verified.with_signed_at(time::time(at)))
}
