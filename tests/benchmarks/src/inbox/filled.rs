//! An inbox that has been in use for a while: events that are done, some of which are to be forgotten by now.

use rusqlite::Connection;
use sqlx::PgPool;

use super::Engine;
use crate::AnyError;

/// Adds so many events that are done; every second one's time is over.
pub(super) async fn fill(engine: &Engine, count: u64) -> Result<(), AnyError> {
    match engine {
        Engine::Sqlite(path) => {
            let connection = Connection::open(path)?;
            connection.busy_timeout(std::time::Duration::from_secs(60))?;
            connection.execute_batch(&sqlite(count))?;
            Ok(())
        }
        Engine::Postgres(url) => {
            let pool = PgPool::connect(url).await?;
            for statement in postgres(count) {
                sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&pool).await?;
            }
            Ok(())
        }
    }
}

/// Deliveries, events and runs, all of one number, far above those that come in meanwhile.
const FROM: u64 = 1_000_000_000;

fn sqlite(count: u64) -> String {
    let numbers = format!(
        "WITH RECURSIVE n (i) AS (SELECT {FROM} UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {})",
        FROM + count
    );
    format!(
        "BEGIN;
         INSERT INTO deliveries (id, source, delivery, received_at, signed, headers, body)
             {numbers} SELECT i, 'hmac', zeroblob(16), 0, 1, '[]', zeroblob(200) FROM n;
         INSERT INTO events (id, delivery, key, event_id, type, retention, purge_at)
             {numbers} SELECT i, i, 'old:' || i, 'old_' || i, 'payment.succeeded', 0,
             CASE WHEN i % 2 = 0 THEN 1 ELSE 99999999999999 END FROM n;
         INSERT INTO runs (id, event, listener, state, attempt, due_at)
             {numbers} SELECT i, i, 'benchmarks::listen', 1, 1, 0 FROM n;
         COMMIT"
    )
}

fn postgres(count: u64) -> [String; 4] {
    let numbers = format!("generate_series({FROM}::bigint, {}) AS i", FROM + count - 1);
    [
        format!(
            "INSERT INTO webhooks.deliveries (id, source, delivery, received_at, signed, headers, body)
             OVERRIDING SYSTEM VALUE SELECT i, 'hmac', '\\x00', 0, true, '[]', repeat('x', 200)::bytea FROM {numbers}"
        ),
        format!(
            "INSERT INTO webhooks.events (id, delivery, position, key, event_id, type, retention, pending, purge_at)
             OVERRIDING SYSTEM VALUE SELECT i, i, 1, 'old:' || i, 'old_' || i, 'payment.succeeded', 0, 0,
             CASE WHEN i % 2 = 0 THEN 1 ELSE 99999999999999 END FROM {numbers}"
        ),
        format!(
            "INSERT INTO webhooks.runs (id, event, listener, state, attempt, due_at)
             OVERRIDING SYSTEM VALUE SELECT i, i, 'benchmarks::listen', 1, 1, 0 FROM {numbers}"
        ),
        "ANALYZE webhooks.deliveries, webhooks.events, webhooks.runs".to_owned(),
    ]
}
