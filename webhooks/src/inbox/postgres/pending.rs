//! Which listeners have something to do.

use std::collections::BTreeSet;

use sqlx::PgConnection;

/// Steps from one listener to the next in the index, however many runs each of them has.
const LISTENERS: &str = "
WITH RECURSIVE each (listener) AS (
    (SELECT r.listener FROM webhooks.runs r WHERE r.state = 0 ORDER BY r.listener LIMIT 1)
    UNION ALL
    SELECT (SELECT r.listener FROM webhooks.runs r WHERE r.state = 0 AND r.listener > each.listener
            ORDER BY r.listener LIMIT 1)
    FROM each WHERE each.listener IS NOT NULL
) SELECT listener FROM each WHERE listener IS NOT NULL";

/// The listeners of which a claim may find something: those with runs that are pending.
pub(super) async fn listeners(connection: &mut PgConnection) -> sqlx::Result<BTreeSet<String>> {
    Ok(sqlx::query_scalar(LISTENERS).fetch_all(connection).await?.into_iter().collect())
}
