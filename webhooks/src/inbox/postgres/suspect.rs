//! Runs whose last claim was never settled: run alone, and given up in the end.

use sqlx::PgConnection;

use super::Options;
use super::claim::{self, Taken, Terms, in_order, suspects, wanted};
use super::settle::closing;
use super::time::now;
use crate::inbox::{Claimed, CrashLooped, MAX_UNSETTLED, failure};

/// `$5`: how many claims in a row may come to nothing; `$6`, `$7`, `$8`: how long what is settled is kept; `$9`: what is
/// noted.
const GIVE_UP: &str = concat!(
    "WITH culprit AS (
    SELECT r.id, r.attempt ",
    suspects!(),
    " AND r.unsettled >= $5 FOR UPDATE OF r SKIP LOCKED
), noted AS (
    INSERT INTO webhooks.failures (run, attempt, at, error) SELECT id, attempt, ",
    now!(),
    ", $9 FROM culprit
    ON CONFLICT DO NOTHING
), dead AS (
    UPDATE webhooks.runs r SET state = 2, unsettled = 0, held = false, reason = 'crash_loop', settled_at = ",
    now!(),
    "
    FROM culprit WHERE r.id = culprit.id
    RETURNING r.event, r.listener, r.spent
), closed AS (
    UPDATE webhooks.events e SET ",
    closing!("gone.runs", "gone.runs"),
    " FROM (SELECT event, count(*)::integer AS runs FROM dead GROUP BY event) AS gone
    WHERE e.id = gone.event
)
SELECT d.source, e.event_id, dead.listener, dead.spent
FROM dead JOIN webhooks.events e ON e.id = dead.event JOIN webhooks.deliveries d ON d.id = e.delivery"
);

/// The one with the fewest claims that came to nothing comes first: the others are the likelier culprits.
/// `$5`: the lease; `$6`: what is noted of the claim before.
const TAKE: &str = concat!(
    "WITH suspect AS (
    SELECT r.id, r.attempt ",
    suspects!(),
    " ORDER BY r.unsettled, r.id LIMIT 1 FOR UPDATE OF r SKIP LOCKED
), noted AS (
    INSERT INTO webhooks.failures (run, attempt, at, error) SELECT id, attempt, ",
    now!(),
    ", $6 FROM suspect
    ON CONFLICT DO NOTHING
)
UPDATE webhooks.runs r
SET attempt = r.attempt + 1, spent = spent + 1, unsettled = unsettled + 1, held = true, due_at = ",
    now!(),
    " + $5
FROM suspect WHERE r.id = suspect.id
RETURNING r.id, r.event, r.attempt, r.spent, r.replay, r.listener"
);

const ANY: &str = concat!("SELECT EXISTS (SELECT ", suspects!(), ")");

/// Gives up those that had their last chance, and takes one of the others if nothing runs here.
pub(super) async fn claim(
    connection: &mut PgConnection,
    terms: &Terms,
    turned: i64,
    options: &Options,
    claimed: &mut Claimed,
) -> sqlx::Result<()> {
    // Their own terms say how many are wanted of each; a suspect is one.
    let rooms = vec![1_i64; terms.listeners.len()];
    let given_up: Vec<(String, Option<String>, String, i32)> = sqlx::query_as(GIVE_UP)
        .bind(turned)
        .bind(&terms.listeners)
        .bind(&rooms)
        .bind(&terms.dead_blocks)
        .bind(i64::from(MAX_UNSETTLED))
        .bind(options.keep_done)
        .bind(options.keep_body)
        .bind(options.keep_dead)
        .bind(failure::NEVER_ENDED)
        .fetch_all(&mut *connection)
        .await?;
    claimed.crash_looped.extend(given_up.into_iter().map(|(source, event_id, listener, spent)| {
        CrashLooped { source, event_id, listener, attempts: u32::try_from(spent).unwrap_or_default() }
    }));
    if terms.idle {
        let taken: Vec<Taken> = sqlx::query_as(TAKE)
            .bind(turned)
            .bind(&terms.listeners)
            .bind(&rooms)
            .bind(&terms.dead_blocks)
            .bind(terms.lease)
            .bind(failure::NEVER_ENDED)
            .fetch_all(&mut *connection)
            .await?;
        claimed.suspect = !taken.is_empty();
        claimed.runs = claim::load(connection, taken).await?;
    } else {
        claimed.suspect = sqlx::query_scalar(ANY)
            .bind(turned)
            .bind(&terms.listeners)
            .bind(&rooms)
            .bind(&terms.dead_blocks)
            .fetch_one(connection)
            .await?;
    }
    Ok(())
}
