//! Runs whose last claim was never settled: run alone, and given up in the end.

use rusqlite::{OptionalExtension, params};

use super::claim::{DUE, Due};
use super::ordered::{IN_ORDER, Line};
use super::writer::Desk;
use super::{Now, Options, load, settle};
use crate::inbox::{Fence, GivenUp, MAX_UNSETTLED, Wanted, WantedListener, failure};
use crate::store::DeadReason;

/// A suspect.
pub(super) struct Suspect<'w> {
    pub(super) due: Due,
    pub(super) listener: &'w WantedListener,
    /// Nobody has noticed yet that its last attempt did not end.
    held: bool,
}

/// All suspects, those first that came to nothing least often, for the others are the likelier culprits.
pub(super) fn all<'w>(desk: &mut Desk, wanted: &'w Wanted, now: Now) -> rusqlite::Result<Vec<Suspect<'w>>> {
    let mut suspects = lapsed(desk, wanted, now)?;
    for listener in &wanted.listeners {
        let sql = format!(
            "SELECT {DUE} FROM runs r INDEXED BY runs_suspect
             WHERE r.state = 0 AND r.unsettled > 0 AND r.held = 0 AND r.listener = ?1 AND {IN_ORDER}"
        );
        let mut select = desk.connection.prepare_cached(&sql)?;
        let found = select.query_map(params![&*listener.id, listener.dead_blocks()], Due::read)?;
        for due in found {
            suspects.push(Suspect { due: due?, listener, held: false });
        }
    }
    suspects.sort_by_key(|it| (it.due.unsettled, it.due.run));
    Ok(suspects)
}

impl Suspect<'_> {
    /// Why it is not tried once more.
    pub(super) fn had_its_last_chance(&self) -> Option<DeadReason> {
        match &self.due {
            due if due.unsettled >= MAX_UNSETTLED => Some(DeadReason::CrashLoop),
            due if due.spent >= self.listener.max_attempts => Some(DeadReason::AttemptsExhausted),
            _ => None,
        }
    }

    /// Gives it up.
    pub(super) fn give_up(
        &self,
        desk: &mut Desk,
        reason: DeadReason,
        now: Now,
        options: &Options,
    ) -> rusqlite::Result<GivenUp> {
        self.note(desk, now)?;
        let Due { run, event, attempt, .. } = self.due;
        let line = self.due.order_key.map(|key| Line { listener: &self.listener.id, key });
        desk.ended.push(Fence { run, attempt });
        settle::bury(desk, run, event, line, reason, now.wall, options)?;
        let (source, event_id) = load::name(desk, event)?;
        Ok(GivenUp {
            reason,
            source,
            event_id,
            listener: self.listener.id.to_string(),
            attempts: self.due.spent,
        })
    }

    /// Notes what was left behind by an attempt that never ended.
    pub(super) fn note(&self, desk: &Desk, now: Now) -> rusqlite::Result<()> {
        if !self.held {
            return Ok(());
        }
        settle::note_failure(desk, self.due.run, self.due.attempt, now.wall, failure::NEVER_ENDED)
    }
}

/// Those whose lease has run out. They were in front when they were claimed.
fn lapsed<'w>(desk: &mut Desk, wanted: &'w Wanted, now: Now) -> rusqlite::Result<Vec<Suspect<'w>>> {
    let mut suspects = Vec::new();
    for fence in desk.leases.lapsed(now.monotonic) {
        let sql = format!(
            "SELECT {DUE}, r.listener FROM runs r WHERE r.id = ?1 AND r.attempt = ?2 AND r.state = 0 AND r.held = 1"
        );
        let mut select = desk.connection.prepare_cached(&sql)?;
        let found = select.query_row(params![fence.run, fence.attempt], |row| {
            Ok((Due::read(row)?, row.get::<_, String>(7)?))
        });
        let found = found.optional()?;
        drop(select);
        match found {
            Some((due, id)) => {
                let listener = wanted.listeners.iter().find(|it| *it.id == *id);
                suspects.extend(listener.map(|listener| Suspect { due, listener, held: true }));
            }
            None => set_right(desk, fence, now)?,
        }
    }
    Ok(suspects)
}

/// A lease of an attempt that the file does not know means nothing. Where a commit failed and is on disk all the same,
/// the file knows a later one that nobody was told of: it has lapsed, too, or the run would never be looked at again.
fn set_right(desk: &mut Desk, fence: Fence, now: Now) -> rusqlite::Result<()> {
    let sql = "SELECT attempt FROM runs WHERE id = ?1 AND state = 0 AND held = 1";
    let attempt = desk.connection.prepare_cached(sql)?.query_row([fence.run], |row| row.get(0)).optional()?;
    match attempt {
        Some(attempt) => desk.hold(Fence { attempt, ..fence }, now.monotonic),
        None => desk.ended.push(fence),
    }
    Ok(())
}
