//! Claims whose leases seem to have run out.
//!
//! That they have is said by the server's time of day, which may be corrected. So nobody believes it at first sight: only
//! what has stayed as it is for half a lease, on this process's own clock, has lapsed. Who lives renews within a third of
//! it, and `due_at` moves.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::PgConnection;

use super::time::now;
use crate::clock::Moment;

/// What seems to have lapsed, and since when this process has seen it so.
#[derive(Default)]
pub(super) struct Lapsed(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    looked_at: Option<Moment>,
    since: HashMap<Lapse, Moment>,
}

/// A run, and the end of its lease.
type Lapse = (i64, i64);

/// Those that have lapsed, as columns.
#[derive(Default)]
pub(super) struct Ripe {
    pub(super) runs: Vec<i64>,
    /// The `due_at` of each, as it must still be.
    pub(super) due: Vec<i64>,
}

const FIND: &str = concat!(
    "SELECT id, due_at FROM webhooks.runs WHERE state = 0 AND unsettled > 0 AND held AND due_at <= ",
    now!()
);

/// What seems to have lapsed just now.
pub(super) async fn find(connection: &mut PgConnection, turned: i64) -> sqlx::Result<Vec<Lapse>> {
    sqlx::query_as(FIND).bind(turned).fetch_all(connection).await
}

impl Lapsed {
    /// Whether it is time to look.
    pub(super) fn is_due(&self, lease: Duration, now: Moment) -> bool {
        self.lock().looked_at.is_none_or(|at| now.saturating_sub(at) >= lease / 8)
    }

    /// Notes what was found.
    pub(super) fn note(&self, found: Vec<Lapse>, now: Moment) {
        let mut seen = self.lock();
        let since = found.into_iter().map(|lapse| (lapse, seen.since.get(&lapse).copied().unwrap_or(now)));
        *seen = Seen { looked_at: Some(now), since: since.collect() };
    }

    /// What has been seen for long enough.
    pub(super) fn ripe(&self, lease: Duration, now: Moment) -> Ripe {
        let seen = self.lock();
        let ripe = seen.since.iter().filter(|(_, since)| now.saturating_sub(**since) >= lease / 2);
        let (runs, due) = ripe.map(|(lapse, _)| *lapse).unzip();
        Ripe { runs, due }
    }

    /// How long until another has been.
    pub(super) fn next(&self, lease: Duration, now: Moment) -> Option<Duration> {
        let seen = self.lock();
        let left = seen.since.values().map(|since| (*since + lease / 2).saturating_sub(now));
        left.filter(|left| !left.is_zero()).min()
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Fleet, LEASE, claim, put};
    use crate::inbox::Inbox as _;

    #[tokio::test(flavor = "multi_thread")]
    async fn no_correction_of_the_time_ends_a_lease() {
        let fleet = Fleet::new();
        let (holder, other) = (fleet.process().await, fleet.process().await);
        put(&holder, "1", &["a"], None).await;
        let held = claim(&holder, 1).await.remove(0);
        for _ in 0..4 {
            fleet.clock.jump_wall(3_600);
            assert!(claim(&other, 5).await.is_empty(), "whoever holds it lives");
            fleet.clock.advance(LEASE / 3);
            assert!(holder.renew(held.fence, LEASE).await.unwrap());
        }
        fleet.clock.advance(LEASE * 2);
        assert!(claim(&other, 5).await.is_empty(), "nobody knows yet");
        fleet.clock.advance(LEASE / 2);
        let taken = claim(&other, 5).await.remove(0);
        assert_eq!((taken.fence.run, taken.attempt), (held.fence.run, 2));
        assert!(!holder.renew(held.fence, LEASE).await.unwrap());
    }
}
