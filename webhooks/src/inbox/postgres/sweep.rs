//! Forgets what has been kept for long enough, a little at a time.

use sqlx::{Connection, PgConnection};

use super::time::now;
use super::{deliveries, tokens};

/// How many events a part of a sweep may touch.
const PART: i64 = 500;

/// Held while a part is swept: one process at a time is enough.
const SWEEP_LOCK: i64 = 0x7768_7377;

/// Takes the body from events that keep only their name; from a delivery, once none of its events needs it.
const STRIP: &str = concat!(
    "WITH due AS (
    SELECT id FROM webhooks.events WHERE strip_at <= ",
    now!(),
    " ORDER BY strip_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE webhooks.events e SET strip_at = NULL, stripped = true, payload = NULL FROM due WHERE e.id = due.id
RETURNING e.delivery"
);

const PURGE: &str = concat!(
    "WITH gone AS (
    DELETE FROM webhooks.events WHERE id IN (
        SELECT id FROM webhooks.events WHERE purge_at <= ",
    now!(),
    " ORDER BY purge_at LIMIT $2 FOR UPDATE SKIP LOCKED)
    RETURNING id, delivery
), runs_gone AS (
    DELETE FROM webhooks.runs WHERE event IN (SELECT id FROM gone) RETURNING id, webhooks.move_up(listener, order_key)
), failures_gone AS (
    DELETE FROM webhooks.failures WHERE run IN (SELECT id FROM runs_gone)
)
SELECT delivery FROM gone"
);

/// Forgets a part. `true`: there is more.
pub(super) async fn sweep(connection: &mut PgConnection, turned: i64) -> sqlx::Result<bool> {
    let mut transaction = connection.begin().await?;
    let ours: bool = sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1)")
        .bind(SWEEP_LOCK)
        .fetch_one(&mut *transaction)
        .await?;
    if !ours {
        return Ok(false);
    }
    let mut more = false;
    for sql in [STRIP, PURGE] {
        let touched: Vec<i64> =
            sqlx::query_scalar(sql).bind(turned).bind(PART).fetch_all(&mut *transaction).await?;
        more |= touched.len() as i64 >= PART;
        deliveries::tidy(&mut transaction, touched).await?;
    }
    let spent = tokens::forget(&mut transaction, PART, turned).await?;
    more |= i64::try_from(spent).is_ok_and(|spent| spent >= PART);
    transaction.commit().await?;
    Ok(more)
}
