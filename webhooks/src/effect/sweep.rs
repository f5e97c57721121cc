//! Forgets rows that no delivery will ask for any more.

use std::time::Duration;

use sqlx::PgPool;

use crate::life::Upkeep;

/// How often is looked. Each process of a fleet does; there is next to nothing to do for all but the first.
const EVERY: Duration = Duration::from_secs(3_600);
/// How many rows go at a time.
const AT_ONCE: i64 = 1_000;
/// Between two such times: at most 10 000 rows a second, for the user's own work comes first.
const BREATH: Duration = Duration::from_millis(100);

/// Forgets what was committed longer ago than `keep`, for as long as what is returned lives.
pub(crate) fn start(pool: PgPool, keep: Duration) -> Upkeep {
    let task = tokio::spawn(async move {
        loop {
            if let Err(error) = sweep(&pool, keep).await {
                tracing::warn!(%error, "the table webhook_effects could not be swept");
            }
            // Not all processes at once.
            tokio::time::sleep(EVERY.mul_f64(rand::random_range(0.75..1.25))).await;
        }
    });
    Upkeep(task.abort_handle())
}

async fn sweep(pool: &PgPool, keep: Duration) -> Result<(), sqlx::Error> {
    // What another process is forgetting just now is left to it.
    let sql = "DELETE FROM webhook_effects WHERE ctid = ANY (ARRAY(
                   SELECT ctid FROM webhook_effects WHERE committed_at < now() - make_interval(secs => $1)
                   ORDER BY committed_at LIMIT $2 FOR UPDATE SKIP LOCKED))";
    loop {
        let swept =
            sqlx::query(sql).bind(keep.as_secs_f64()).bind(AT_ONCE).execute(pool).await?.rows_affected();
        if swept == 0 {
            return Ok(());
        }
        tokio::time::sleep(BREATH).await;
    }
}
