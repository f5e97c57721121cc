//! Puts a delivery down.

use rusqlite::{OptionalExtension, params};

use super::ordered::{self, Line};
use super::writer::{Desk, Failed};
use super::{time, tokens};
use crate::inbox::{InboxError, NewEntry, Parcel, Payload, Put};

/// Puts all events of a delivery down. Refused where that would be too many pending runs: what is known already is
/// answered even then.
pub(super) fn put(desk: &mut Desk, parcel: &Parcel, now: i64, max_pending: u64) -> Result<Vec<Put>, Failed> {
    for token in &parcel.tokens {
        if !tokens::bind(&desk.connection, token, now)? {
            return Err(Failed::Refused(InboxError::TokenReused));
        }
    }
    let mut delivery = None;
    let puts = parcel.events.iter().map(|entry| match known(desk, entry)? {
        Some(event) => revive(desk, event),
        None => {
            let delivery = match delivery {
                Some(delivery) => delivery,
                None => *delivery.insert(insert_delivery(desk, parcel)?),
            };
            insert_event(desk, delivery, entry)?;
            Ok(Put::Stored)
        }
    });
    let puts: Vec<Put> = puts.collect::<rusqlite::Result<_>>()?;
    if puts.iter().any(|put| *put != Put::Duplicate) && desk.pending()? > max_pending {
        return Err(Failed::Refused(InboxError::Full));
    }
    Ok(puts)
}

fn known(desk: &Desk, entry: &NewEntry) -> rusqlite::Result<Option<i64>> {
    let mut select = desk.connection.prepare_cached("SELECT id FROM events WHERE key = ?1")?;
    select.query_row([entry.key.to_string()], |row| row.get(0)).optional()
}

/// Begins the dead runs of a known event afresh, if it has any.
fn revive(desk: &mut Desk, event: i64) -> rusqlite::Result<Put> {
    let sql = "UPDATE runs SET state = 0, spent = 0, unsettled = 0, blocked = 0, replay = 0, due_at = 0, settled_at = NULL,
               reason = NULL WHERE event = ?1 AND state = 2";
    let revived = desk.connection.prepare_cached(sql)?.execute([event])?;
    if revived == 0 {
        return Ok(Put::Duplicate);
    }
    let sql = "UPDATE events SET strip_at = NULL, purge_at = NULL WHERE id = ?1";
    desk.connection.prepare_cached(sql)?.execute([event])?;
    desk.note_pending(i64::try_from(revived).unwrap_or_default());
    Ok(Put::Revived)
}

fn insert_delivery(desk: &Desk, parcel: &Parcel) -> rusqlite::Result<i64> {
    let sql = "INSERT INTO deliveries (source, delivery, received_at, signed, secret_index, signed_at, headers, body)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let verified = &parcel.verified;
    desk.connection.prepare_cached(sql)?.insert(params![
        parcel.source.as_str(),
        parcel.delivery_id.to_be_bytes(),
        time::millis(parcel.received_at),
        verified.is_signed(),
        verified.secret_index().and_then(|index| i64::try_from(index).ok()),
        verified.signed_at().map(time::millis),
        parcel.headers,
        &parcel.body[..],
    ])
}

fn insert_event(desk: &mut Desk, delivery: i64, entry: &NewEntry) -> rusqlite::Result<()> {
    let sql = "INSERT INTO events
               (delivery, key, event_id, type, payload_start, payload_length, payload, retention)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let (range, own) = match &entry.payload {
        Payload::Range { start, length } => {
            (i64::try_from(*start).ok().zip(i64::try_from(*length).ok()), None)
        }
        Payload::Own(payload) => (None, Some(&payload[..])),
    };
    let event = desk.connection.prepare_cached(sql)?.insert(params![
        delivery,
        entry.key.to_string(),
        entry.id,
        entry.event_type,
        range.map(|(start, _)| start),
        range.map(|(_, length)| length),
        own,
        time::span(entry.retention),
    ])?;
    let sql = "INSERT INTO runs (event, listener, order_key, blocked) VALUES (?1, ?2, ?3, ?4)";
    let mut insert = desk.connection.prepare_cached(sql)?;
    for run in &entry.runs {
        let line = run.order_key.map(|key| Line { listener: &run.listener, key });
        let is_behind = line.map_or(Ok(false), |line| ordered::is_occupied(&desk.connection, line))?;
        insert.execute(params![event, &*run.listener, run.order_key, is_behind])?;
    }
    drop(insert);
    desk.note_pending(i64::try_from(entry.runs.len()).unwrap_or_default());
    Ok(())
}
