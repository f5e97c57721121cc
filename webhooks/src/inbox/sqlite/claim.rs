//! Takes runs that are due.

use std::time::Duration;

use rusqlite::{Row, params};

use super::load::Loader;
use super::ordered::{self, IN_ORDER};
use super::pending;
use super::suspect::{self, Suspect};
use super::writer::{Desk, concerns_all};
use super::{Now, Options, time};
use crate::inbox::order::OrderKey;
use crate::inbox::{Claimed, ClaimedRun, Fence, Wanted, WantedListener};

/// Bodies that one claim reads at most, give or take the last: what is put down meanwhile waits.
const MOST_BYTES: usize = 16 << 20;

/// How many runs that may not go on yet one claim takes out of sight at most.
const MOST_BLOCKED: usize = 256;

/// How long a run is left alone whose event cannot be read.
const UNREADABLE: Duration = Duration::from_secs(3_600);

/// Takes runs that are due: a suspect alone, or others up to the limits.
pub(super) fn claim(
    desk: &mut Desk,
    wanted: &Wanted,
    now: Now,
    options: &Options,
) -> rusqlite::Result<Claimed> {
    if wanted.listeners.len() <= Wanted::FEW {
        return take_due(desk, wanted, now, options);
    }
    let pending = pending::listeners(&desk.connection)?;
    take_due(desk, &wanted.only(&pending), now, options)
}

fn take_due(desk: &mut Desk, wanted: &Wanted, now: Now, options: &Options) -> rusqlite::Result<Claimed> {
    let mut claim = Claim::new(wanted, now);
    if let Some(suspect) = claim.next_suspect(desk, options)? {
        claim.claimed.suspect = true;
        if wanted.idle {
            suspect.note(desk, now)?;
            claim.take(desk, &suspect.due, suspect.listener)?;
        }
        return Ok(claim.claimed);
    }
    desk.retried_first = !desk.retried_first;
    for listener in &wanted.listeners {
        claim.take_of(desk, listener)?;
    }
    claim.claimed.next_due = if claim.is_cut_short { Some(Duration::ZERO) } else { claim.next_due(desk)? };
    Ok(claim.claimed)
}

/// A run that may be taken.
pub(super) struct Due {
    pub(super) run: i64,
    pub(super) event: i64,
    pub(super) attempt: u32,
    pub(super) spent: u32,
    pub(super) unsettled: u32,
    replay: bool,
    pub(super) order_key: Option<OrderKey>,
}

/// The columns of [`Due`], of a table `r`.
pub(super) const DUE: &str = "r.id, r.event, r.attempt, r.spent, r.unsettled, r.replay, r.order_key";

/// Runs that wait for nothing, in order of arrival; and those that failed before, in the order in which they fall due.
/// They take turns, so that neither starves: there is no one order for both that a correction of the time leaves alone.
#[derive(Clone, Copy)]
enum Lane {
    Fresh,
    Retried,
}

impl Lane {
    /// From when to when its runs are due.
    fn due(self, now: i64) -> (i64, i64) {
        match self {
            Self::Fresh => (0, 0),
            Self::Retried => (1, now),
        }
    }
}

impl Due {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            run: row.get(0)?,
            event: row.get(1)?,
            attempt: row.get(2)?,
            spent: row.get(3)?,
            unsettled: row.get(4)?,
            replay: row.get(5)?,
            order_key: row.get(6)?,
        })
    }
}

/// A claim in the making.
struct Claim<'w> {
    wanted: &'w Wanted,
    now: Now,
    loader: Loader,
    blocked: usize,
    /// There may be more to take.
    is_cut_short: bool,
    claimed: Claimed,
}

impl<'w> Claim<'w> {
    fn new(wanted: &'w Wanted, now: Now) -> Self {
        let (loader, claimed) = (Loader::default(), Claimed::default());
        Self { wanted, now, loader, blocked: 0, is_cut_short: false, claimed }
    }

    /// The suspect whose turn it is. Those that had their last chance are given up.
    fn next_suspect(&mut self, desk: &mut Desk, options: &Options) -> rusqlite::Result<Option<Suspect<'w>>> {
        let mut next = None;
        for suspect in suspect::all(desk, self.wanted, self.now)? {
            match suspect.had_its_last_chance() {
                Some(reason) => {
                    self.claimed.given_up.push(suspect.give_up(desk, reason, self.now, options)?);
                }
                None => next = next.or(Some(suspect)),
            }
        }
        Ok(next)
    }

    /// Takes what is due of one listener: half of it of either lane, if there is enough.
    fn take_of(&mut self, desk: &mut Desk, listener: &WantedListener) -> rusqlite::Result<()> {
        let limit = listener.limit.min(self.wanted.limit - self.claimed.runs.len());
        let before = self.claimed.runs.len();
        let lanes = match desk.retried_first {
            true => [Lane::Retried, Lane::Fresh],
            false => [Lane::Fresh, Lane::Retried],
        };
        let turns = [(lanes[0], limit.div_ceil(2)), (lanes[1], limit), (lanes[0], limit)];
        for (lane, most) in turns {
            let taken = self.claimed.runs.len() - before;
            self.take_in(desk, listener, lane, most.saturating_sub(taken))?;
        }
        Ok(())
    }

    fn take_in(
        &mut self,
        desk: &mut Desk,
        listener: &WantedListener,
        lane: Lane,
        limit: usize,
    ) -> rusqlite::Result<()> {
        let mut left = limit;
        while left > 0 && !self.is_cut_short {
            let found = self.look(desk, listener, lane, left)?;
            let were_all = found.len() < left;
            for (due, is_in_order) in found {
                if self.blocked >= MOST_BLOCKED || self.loader.bytes >= MOST_BYTES {
                    self.is_cut_short = true;
                    return Ok(());
                }
                if !is_in_order {
                    ordered::block(&desk.connection, due.run)?;
                    self.blocked += 1;
                } else if self.take(desk, &due, listener)? {
                    left -= 1;
                }
            }
            if were_all {
                return Ok(());
            }
        }
        Ok(())
    }

    fn look(
        &self,
        desk: &Desk,
        listener: &WantedListener,
        lane: Lane,
        limit: usize,
    ) -> rusqlite::Result<Vec<(Due, bool)>> {
        let (from, to) = lane.due(self.now.wall);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let sql = format!(
            "SELECT {DUE}, {IN_ORDER} FROM runs r INDEXED BY runs_due
             WHERE r.listener = ?1 AND r.state = 0 AND r.unsettled = 0 AND r.blocked = 0 AND r.due_at BETWEEN ?3 AND ?4
             ORDER BY r.due_at, r.id LIMIT ?5"
        );
        let values = params![&*listener.id, listener.dead_blocks(), from, to, limit];
        let mut select = desk.connection.prepare_cached(&sql)?;
        let found = select.query_map(values, |row| Ok((Due::read(row)?, row.get(7)?)))?;
        found.collect()
    }

    /// Takes one run. `false`: its event cannot be read, which must not hold up all others.
    fn take(&mut self, desk: &mut Desk, due: &Due, listener: &WantedListener) -> rusqlite::Result<bool> {
        let event = match self.loader.event(&desk.connection, due.event) {
            Ok(event) => event,
            Err(error) if concerns_all(&error) => return Err(error),
            Err(error) => {
                let (number, listener) = (due.event, &*listener.id);
                tracing::error!(%error, number, listener, "an event in the inbox cannot be read; it is left for an hour");
                let later = self.now.wall.saturating_add(time::span(UNREADABLE));
                let sql = "UPDATE runs SET due_at = ?2, unsettled = 0, held = 0 WHERE id = ?1";
                desk.connection.prepare_cached(sql)?.execute(params![due.run, later])?;
                return Ok(false);
            }
        };
        let sql =
            "UPDATE runs SET attempt = attempt + 1, spent = spent + 1, unsettled = unsettled + 1, held = 1
                   WHERE id = ?1";
        desk.connection.prepare_cached(sql)?.execute([due.run])?;
        let fence = Fence { run: due.run, attempt: due.attempt + 1 };
        desk.hold(fence, self.now.monotonic + self.wanted.lease);
        self.claimed.runs.push(ClaimedRun {
            fence,
            listener: listener.id.to_string(),
            attempt: due.spent + 1,
            is_replay: due.replay,
            event,
        });
        Ok(true)
    }

    fn next_due(&self, desk: &Desk) -> rusqlite::Result<Option<Duration>> {
        let sql = "SELECT min(due_at) FROM runs INDEXED BY runs_due
                   WHERE listener = ?1 AND state = 0 AND unsettled = 0 AND blocked = 0 AND due_at > ?2";
        let mut select = desk.connection.prepare_cached(sql)?;
        let mut next = None::<i64>;
        for listener in &self.wanted.listeners {
            let due: Option<i64> =
                select.query_row(params![&*listener.id, self.now.wall], |row| row.get(0))?;
            next = [next, due].into_iter().flatten().min();
        }
        Ok(next.map(|due| Duration::from_millis(u64::try_from(due - self.now.wall).unwrap_or_default())))
    }
}
