//! How many runs are pending: enough to know that there are too many.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use sqlx::PgPool;
use tokio::sync::Mutex;

use super::ask::{Trouble, ask_within};
use crate::inbox::InboxError;

/// The number of pending runs, as far as it is known here. Counting them for each delivery would be slow, so this
/// process counts its own, and from time to time all.
pub(super) struct Backlog {
    max: i64,
    estimate: AtomicI64,
    counted: Mutex<Option<Instant>>,
}

impl Backlog {
    /// How long a count is good for.
    const GOOD_FOR: Duration = Duration::from_secs(10);
    /// How long it is when there seem to be too many: some may have been done since, by others.
    const FULL_FOR: Duration = Duration::from_millis(500);

    pub(super) fn new(max: u64) -> Self {
        Self {
            max: i64::try_from(max).unwrap_or(i64::MAX),
            estimate: AtomicI64::new(0),
            counted: Mutex::new(None),
        }
    }

    /// Notes that so many more (or fewer) are pending.
    pub(super) fn note(&self, change: i64) {
        self.estimate.fetch_add(change, Ordering::Relaxed);
    }

    /// Refuses where `more` would be too many.
    pub(super) async fn admit(&self, pool: &PgPool, more: usize) -> Result<(), InboxError> {
        let more = i64::try_from(more).unwrap_or(i64::MAX);
        let fits = || self.estimate.load(Ordering::Relaxed).saturating_add(more) <= self.max;
        let good_for = if fits() { Self::GOOD_FOR } else { Self::FULL_FOR };
        // Whoever comes while it is being counted goes by the last count.
        if let Ok(mut counted) = self.counted.try_lock()
            && counted.is_none_or(|at| at.elapsed() >= good_for)
        {
            match count(pool).await {
                Ok(pending) => self.estimate.store(pending, Ordering::Relaxed),
                // Better the last count than none: whoever put this down would wait for the next one in vain too.
                Err(trouble) => tracing::debug!(?trouble, "what is pending could not be counted just now"),
            }
            *counted = Some(Instant::now());
        }
        if fits() { Ok(()) } else { Err(InboxError::Full) }
    }
}

async fn count(pool: &PgPool) -> Result<i64, Trouble> {
    /// A delivery waits meanwhile, and has yet to be put down.
    const PATIENCE: Duration = Duration::from_secs(2);
    let sql = "SELECT count(*) FROM webhooks.runs WHERE state = 0";
    ask_within(pool, PATIENCE, |connection| Box::pin(sqlx::query_scalar(sql).fetch_one(connection))).await
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Fleet, parcel};
    use super::*;
    use crate::inbox::{Inbox as _, Put};

    #[tokio::test(flavor = "multi_thread")]
    async fn a_connection_that_the_network_forgets_is_waited_for_no_longer_than_any_other() {
        let fleet = Fleet::new();
        let (inbox, way) = fleet.far_process().await;
        // Nobody is about to give it back any more.
        while inbox.pool.num_idle() == 0 {
            tokio::task::yield_now().await;
        }
        way.forget_connections();
        let put_down = inbox.put(parcel(&["1".to_owned()], &["a"], None));
        let answered = tokio::time::timeout(Duration::from_secs(12), put_down).await;
        assert_eq!(answered.expect("an answer in time").unwrap(), [Put::Stored], "on a new one");
    }
}
