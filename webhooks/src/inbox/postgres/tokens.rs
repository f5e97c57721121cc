//! One-time tokens: each is good for the body that it first came with.

use sqlx::PgConnection;

use super::time::{self, now};
use crate::run::inline::Binding;

/// Ties a token to its body. Who puts the same token down in the same moment waits here for the commit, and sees it.
const BIND: &str = concat!(
    "INSERT INTO webhooks.tokens (key, body, until) VALUES ($2, $3, ",
    now!(),
    " + $4)
ON CONFLICT (key) DO UPDATE SET until = greatest(tokens.until, excluded.until)
RETURNING body"
);

const FORGET: &str = concat!(
    "DELETE FROM webhooks.tokens WHERE key IN (SELECT key FROM webhooks.tokens WHERE until <= ",
    now!(),
    " ORDER BY until LIMIT $2)"
);

/// Ties the token to its body, for so long. `false`: it is tied to another.
pub(super) async fn bind(connection: &mut PgConnection, token: &Binding, turned: i64) -> sqlx::Result<bool> {
    let first: String = sqlx::query_scalar(BIND)
        .bind(turned)
        .bind(token.key.to_string())
        .bind(&token.body)
        .bind(time::span(token.retention))
        .fetch_one(connection)
        .await?;
    Ok(first == token.body)
}

/// Forgets some of those whose time is over. How many.
pub(super) async fn forget(connection: &mut PgConnection, most: i64, turned: i64) -> sqlx::Result<u64> {
    Ok(sqlx::query(FORGET).bind(turned).bind(most).execute(connection).await?.rows_affected())
}
