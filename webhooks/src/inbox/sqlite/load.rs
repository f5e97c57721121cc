//! Events as they come back.

use std::collections::HashMap;

use bytes::Bytes;
use rusqlite::{Connection, Row};

use super::time;
use super::writer::Desk;
use crate::delivery::SourceName;
use crate::inbox::StoredEvent;
use crate::scheme::Verified;
use crate::store::EventKey;

/// Reads events, each delivery once, however many of its events are wanted.
#[derive(Default)]
pub(super) struct Loader {
    deliveries: HashMap<i64, StoredEvent>,
    /// How many bytes of bodies it has read.
    pub(super) bytes: usize,
}

impl Loader {
    pub(super) fn event(&mut self, connection: &Connection, event: i64) -> rusqlite::Result<StoredEvent> {
        let sql = "SELECT delivery, event_id, type, payload_start, payload_length, payload, key FROM events WHERE id = ?1";
        let mut select = connection.prepare_cached(sql)?;
        select.query_row([event], |row| {
            let delivery = self.delivery(connection, row.get(0)?)?.clone();
            let (id, event_type) = (row.get(1)?, row.get(2)?);
            let key = row.get::<_, Option<String>>(6)?.as_deref().and_then(EventKey::parse);
            let payload = match place(row, 3)?.zip(place(row, 4)?) {
                Some((start, length))
                    if start.checked_add(length).is_some_and(|end| end <= delivery.body.len()) =>
                {
                    delivery.body.slice(start..start + length)
                }
                _ => Bytes::from(row.get::<_, Option<Vec<u8>>>(5)?.unwrap_or_default()),
            };
            Ok(StoredEvent { key, id, event_type, payload, ..delivery })
        })
    }

    /// What all events of a delivery have in common.
    fn delivery(&mut self, connection: &Connection, delivery: i64) -> rusqlite::Result<&StoredEvent> {
        let entry = match self.deliveries.entry(delivery) {
            std::collections::hash_map::Entry::Occupied(known) => return Ok(known.into_mut()),
            std::collections::hash_map::Entry::Vacant(entry) => entry,
        };
        let sql =
            "SELECT source, delivery, received_at, signed, secret_index, signed_at, headers, body FROM deliveries
                   WHERE id = ?1";
        let loaded = connection.prepare_cached(sql)?.query_row([delivery], |row| {
            let source: String = row.get(0)?;
            Ok(StoredEvent {
                source: SourceName::new(&source).ok_or(rusqlite::Error::InvalidQuery)?,
                delivery_id: u128::from_be_bytes(row.get(1)?),
                received_at: time::time(row.get(2)?),
                verified: verified(row.get(3)?, row.get(4)?, row.get(5)?),
                headers: row.get::<_, Option<Vec<u8>>>(6)?.unwrap_or_default(),
                body: Bytes::from(row.get::<_, Option<Vec<u8>>>(7)?.unwrap_or_default()),
                key: None,
                id: None,
                event_type: String::new(),
                payload: Bytes::new(),
            })
        })?;
        self.bytes += loaded.body.len();
        Ok(entry.insert(loaded))
    }
}

/// The event's source and id.
pub(super) fn name(desk: &Desk, event: i64) -> rusqlite::Result<(String, Option<String>)> {
    let sql =
        "SELECT d.source, e.event_id FROM events e JOIN deliveries d ON d.id = e.delivery WHERE e.id = ?1";
    desk.connection.prepare_cached(sql)?.query_row([event], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// A position in the body.
fn place(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<usize>> {
    Ok(row.get::<_, Option<u32>>(column)?.and_then(|it| usize::try_from(it).ok()))
}

fn verified(signed: bool, secret_index: Option<u32>, signed_at: Option<i64>) -> Verified {
    if !signed {
        return Verified::unsigned();
    }
    let secret_index = secret_index.and_then(|it| usize::try_from(it).ok());
    let verified = secret_index.map_or_else(Verified::new, Verified::by_secret);
    signed_at.map_or(verified, |at| verified.with_signed_at(time::time(at)))
}
