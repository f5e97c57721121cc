//! One-time tokens: each is good for the body that it first came with.

use rusqlite::{Connection, params};

use super::time;
use crate::run::inline::Binding;

/// Ties the token to its body, for so long. `false`: it is tied to another.
pub(super) fn bind(connection: &Connection, token: &Binding, now: i64) -> rusqlite::Result<bool> {
    let sql = "INSERT INTO tokens (key, body, until) VALUES (?1, ?2, ?3)
               ON CONFLICT (key) DO UPDATE SET until = max(until, excluded.until) RETURNING body";
    let until = now.saturating_add(time::span(token.retention));
    let values = params![token.key.to_string(), token.body, until];
    let first: String = connection.prepare_cached(sql)?.query_row(values, |row| row.get(0))?;
    Ok(first == token.body)
}

/// Forgets some of those whose time is over. How many.
pub(super) fn forget(connection: &Connection, now: i64, most: i64) -> rusqlite::Result<usize> {
    let sql = "DELETE FROM tokens WHERE key IN (SELECT key FROM tokens WHERE until <= ?1 LIMIT ?2)";
    connection.prepare_cached(sql)?.execute(params![now, most])
}
