//! Forgets what has been kept for long enough, a little at a time: deliveries wait meanwhile.

use rusqlite::{Connection, params};

use super::ordered::{self, Line};
use super::tokens;
use super::writer::Desk;
use crate::inbox::order::OrderKey;

/// How many events a part of a sweep may touch.
const PART: i64 = 200;

/// How many pages a part may give back to the file system.
const PAGES: i64 = 512;

/// Forgets a part. `true`: there is more.
pub(super) fn sweep(desk: &Desk, now: i64) -> rusqlite::Result<bool> {
    let connection = &desk.connection;
    let stripped = strip(connection, now)?;
    let purged = purge(connection, now)?;
    let spent = is_part(tokens::forget(connection, now, PART)?);
    let shrunk = shrink(connection)?;
    Ok(stripped || purged || spent || shrunk)
}

/// Forgets an event altogether, and its delivery if it was the last of it.
pub(super) fn remove(connection: &Connection, event: i64) -> rusqlite::Result<()> {
    let lines = lines(connection, event)?;
    let sql = "DELETE FROM failures WHERE run IN (SELECT id FROM runs WHERE event = ?1)";
    connection.prepare_cached(sql)?.execute([event])?;
    connection.prepare_cached("DELETE FROM runs WHERE event = ?1")?.execute([event])?;
    for (listener, key) in &lines {
        ordered::move_up(connection, Line { listener, key: *key })?;
    }
    let sql = "DELETE FROM events WHERE id = ?1 RETURNING delivery";
    let delivery: i64 = connection.prepare_cached(sql)?.query_row([event], |row| row.get(0))?;
    let sql =
        "DELETE FROM deliveries WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM events WHERE delivery = ?1)";
    connection.prepare_cached(sql)?.execute([delivery])?;
    // The others may have been through for long, and have left it for this one only.
    strip_delivery(connection, delivery)
}

/// Those that the event's dead runs may hold up.
fn lines(connection: &Connection, event: i64) -> rusqlite::Result<Vec<(String, OrderKey)>> {
    let sql = "SELECT listener, order_key FROM runs WHERE event = ?1 AND state = 2 AND order_key IS NOT NULL";
    let mut select = connection.prepare_cached(sql)?;
    select.query_map([event], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// Takes the body from events that keep only their name; from a delivery, once none of its events needs it.
fn strip(connection: &Connection, now: i64) -> rusqlite::Result<bool> {
    let sql = "SELECT id, delivery FROM events WHERE strip_at <= ?1 LIMIT ?2";
    let due: Vec<(i64, i64)> = connection
        .prepare_cached(sql)?
        .query_map([now, PART], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (event, delivery) in &due {
        let sql = "UPDATE events SET strip_at = NULL, stripped = 1, payload = NULL WHERE id = ?1";
        connection.prepare_cached(sql)?.execute([event])?;
        strip_delivery(connection, *delivery)?;
    }
    Ok(is_part(due.len()))
}

fn strip_delivery(connection: &Connection, delivery: i64) -> rusqlite::Result<()> {
    let sql = "UPDATE deliveries SET body = NULL, headers = NULL WHERE id = ?1
               AND NOT EXISTS (SELECT 1 FROM events WHERE delivery = ?1 AND stripped = 0)";
    connection.prepare_cached(sql)?.execute([delivery])?;
    Ok(())
}

fn purge(connection: &Connection, now: i64) -> rusqlite::Result<bool> {
    let sql = "SELECT id FROM events WHERE purge_at <= ?1 LIMIT ?2";
    let due: Vec<i64> = connection
        .prepare_cached(sql)?
        .query_map(params![now, PART], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for event in &due {
        remove(connection, *event)?;
    }
    Ok(is_part(due.len()))
}

/// Free pages are used again before the file grows; when there are many, as after a burst, they are given back.
fn shrink(connection: &Connection) -> rusqlite::Result<bool> {
    let pragma = |name: &str| connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
    let (free, all) = (pragma("freelist_count")?, pragma("page_count")?);
    // A quarter stays, for the next burst.
    let too_many = free - all / 4;
    if too_many < PAGES {
        return Ok(false);
    }
    let mut vacuum = connection.prepare(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
    let mut steps = vacuum.query([])?;
    while steps.next()?.is_some() {}
    Ok(true)
}

fn is_part(count: usize) -> bool {
    i64::try_from(count).is_ok_and(|count| count >= PART)
}
