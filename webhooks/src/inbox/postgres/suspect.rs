//! Runs whose last claim was never settled: run alone, and given up in the end.
//!
//! A process that finds one while it is busy reserves it: it takes no more until it is idle, and runs it then. Others
//! go on meanwhile, for to them it is not due.

use std::sync::{Mutex, PoisonError};

use sqlx::PgConnection;

use super::Options;
use super::claim::{Terms, suspects, wanted};
use super::ordered::in_order;
use super::settle::closing;
use super::taken::{self, Reading, Taken, taken};
use super::time::now;
use crate::inbox::{Claimed, Fence, GivenUp, MAX_UNSETTLED, failure};
use crate::store::DeadReason;

/// The suspect that this process has reserved.
#[derive(Default)]
pub(super) struct Reserved(Mutex<Option<Reservation>>);

/// It is good for as long as the run's `due_at` is as it was made: whoever thought its claim lost and renews it in time,
/// or reserves it anew, changes that.
#[derive(Clone, Copy)]
struct Reservation {
    fence: Fence,
    due_at: i64,
}

/// `$5`: how many claims in a row may come to nothing; `$6`, `$7`, `$8`: how long what is settled is kept; `$9`: what is
/// noted; `$10`: how many attempts a run of each listener may have.
const GIVE_UP: &str = concat!(
    "WITH culprit AS (
    SELECT r.id, r.attempt, r.held, r.unsettled ",
    suspects!("$11", "$12"),
    " AND (r.unsettled >= $5 OR r.spent >= ($10::integer[])[array_position($2::text[], r.listener)]) FOR UPDATE OF r SKIP LOCKED
), noted AS (
    INSERT INTO webhooks.failures (run, attempt, at, error) SELECT id, attempt, ",
    now!(),
    ", $9 FROM culprit WHERE held
    ON CONFLICT DO NOTHING
), dead AS (
    UPDATE webhooks.runs r SET state = 2, unsettled = 0, held = false, settled_at = ",
    now!(),
    ", reason = CASE WHEN culprit.unsettled >= $5 THEN 'crash_loop' ELSE 'attempts_exhausted' END
    FROM culprit WHERE r.id = culprit.id
    RETURNING r.event, r.listener, r.spent, culprit.unsettled >= $5 AS crashes, webhooks.move_up(r.listener, r.order_key)
), closed AS (
    UPDATE webhooks.events e SET ",
    closing!("gone.runs", "gone.runs"),
    " FROM (SELECT event, count(*)::integer AS runs FROM dead GROUP BY event) AS gone
    WHERE e.id = gone.event
)
SELECT d.source, e.event_id, dead.listener, dead.spent, dead.crashes
FROM dead JOIN webhooks.events e ON e.id = dead.event JOIN webhooks.deliveries d ON d.id = e.delivery"
);

/// The one with the fewest claims that came to nothing comes first: the others are the likelier culprits. `$5`: how long
/// it is reserved.
const RESERVE: &str = concat!(
    "UPDATE webhooks.runs SET due_at = ",
    now!(),
    " + $5
WHERE id IN (SELECT r.id ",
    suspects!("$6", "$7"),
    " ORDER BY r.unsettled, r.id LIMIT 1 FOR UPDATE OF r SKIP LOCKED)
RETURNING id, attempt, due_at"
);

/// `$2`: the run; `$3`: its attempt; `$4`: the lease; `$5`: what is noted of the claim before; `$6`: its `due_at`.
const TAKE: &str = concat!(
    "WITH suspect AS (
    SELECT id, held, due_at FROM webhooks.runs
    WHERE id = $2 AND attempt = $3 AND due_at = $6 AND state = 0 AND unsettled > 0 FOR UPDATE
), taken AS (
    UPDATE webhooks.runs r
    SET attempt = attempt + 1, spent = spent + 1, unsettled = unsettled + 1, held = true, due_at = ",
    now!(),
    " + $4
    FROM suspect WHERE r.id = suspect.id
    RETURNING ",
    taken!("suspect.due_at", "1::bigint"),
    "
), noted AS (
    INSERT INTO webhooks.failures (run, attempt, at, error) SELECT id, $3, ",
    now!(),
    ", $5 FROM suspect WHERE held
    ON CONFLICT DO NOTHING
)
SELECT * FROM taken"
);

impl Reserved {
    /// Runs the one that is reserved, once this process is idle. `true`: there is one, and nothing else may be taken.
    pub(super) async fn claim(
        &self,
        connection: &mut PgConnection,
        terms: &Terms,
        turned: i64,
        reading: Reading,
        claimed: &mut Claimed,
    ) -> sqlx::Result<bool> {
        let Some(Reservation { fence, due_at }) = *self.lock() else { return Ok(false) };
        if terms.idle {
            let taken: Vec<Taken> = sqlx::query_as(TAKE)
                .bind(turned)
                .bind(fence.run)
                .bind(i32::try_from(fence.attempt).unwrap_or(i32::MAX))
                .bind(terms.lease)
                .bind(failure::NEVER_ENDED)
                .bind(due_at)
                .fetch_all(&mut *connection)
                .await?;
            taken::load(connection, taken, turned, reading, claimed).await?;
            // If it took too long to become idle, it was another's meanwhile; or it was alive all the time.
            self.lock().take();
            claimed.suspect = !claimed.runs.is_empty();
        } else {
            claimed.suspect = true;
        }
        Ok(claimed.suspect)
    }

    /// Gives up those that had their last chance, and reserves one of the others.
    pub(super) async fn find(
        &self,
        connection: &mut PgConnection,
        terms: &Terms,
        turned: i64,
        options: &Options,
        claimed: &mut Claimed,
    ) -> sqlx::Result<()> {
        let given_up: Vec<(String, Option<String>, String, i32, bool)> = sqlx::query_as(GIVE_UP)
            .bind(turned)
            .bind(&terms.listeners)
            .bind(&terms.rooms)
            .bind(&terms.dead_blocks)
            .bind(i64::from(MAX_UNSETTLED))
            .bind(options.keep_done)
            .bind(options.keep_body)
            .bind(options.keep_dead)
            .bind(failure::NEVER_ENDED)
            .bind(&terms.max_attempts)
            .bind(&terms.ripe.runs)
            .bind(&terms.ripe.due)
            .fetch_all(&mut *connection)
            .await?;
        claimed.given_up.extend(given_up.into_iter().map(|(source, event_id, listener, spent, crashes)| {
            let reason = if crashes { DeadReason::CrashLoop } else { DeadReason::AttemptsExhausted };
            GivenUp { reason, source, event_id, listener, attempts: u32::try_from(spent).unwrap_or_default() }
        }));
        let found: Option<(i64, i32, i64)> = sqlx::query_as(RESERVE)
            .bind(turned)
            .bind(&terms.listeners)
            .bind(&terms.rooms)
            .bind(&terms.dead_blocks)
            .bind(terms.lease)
            .bind(&terms.ripe.runs)
            .bind(&terms.ripe.due)
            .fetch_optional(connection)
            .await?;
        *self.lock() = found.and_then(|(run, attempt, due_at)| {
            Some(Reservation { fence: Fence { run, attempt: u32::try_from(attempt).ok()? }, due_at })
        });
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Reservation>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
