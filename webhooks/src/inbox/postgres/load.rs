//! Events as they come back: what is known of them first, then what is large.

use std::collections::HashMap;

use bytes::Bytes;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::time;
use crate::delivery::SourceName;
use crate::inbox::StoredEvent;
use crate::scheme::Verified;
use crate::store::EventKey;

/// An event without its body.
pub(super) struct Found {
    /// The event, but for its body and payload.
    event: StoredEvent,
    pub(super) delivery: i64,
    /// How long its delivery's body is.
    pub(super) body_bytes: usize,
    /// How long its payload is, where it is not a part of the body.
    pub(super) payload_bytes: usize,
    /// Where the payload begins in the body, and how long it is.
    place: Option<(usize, usize)>,
}

/// A length is known without reading what is that long.
const FIND: &str =
    "SELECT e.id, e.delivery, e.event_id, e.type, e.payload_start, e.payload_length, octet_length(e.payload), e.key,
    d.source, d.delivery, d.received_at, d.signed, d.secret_index, d.signed_at, d.headers, octet_length(d.body)
    FROM webhooks.events e JOIN webhooks.deliveries d ON d.id = e.delivery WHERE e.id = ANY($1)";

/// A body is read once, however many events of its delivery are wanted.
const BODIES: &str = "SELECT id, body FROM webhooks.deliveries WHERE id = ANY($1) AND body IS NOT NULL";

const PAYLOADS: &str = "SELECT id, payload FROM webhooks.events WHERE id = ANY($1) AND payload IS NOT NULL";

/// What is known of the events of these numbers. One that is gone, or whose delivery is, is not among them.
pub(super) async fn find(
    connection: &mut PgConnection,
    numbers: &[i64],
) -> sqlx::Result<HashMap<i64, Found>> {
    let rows = sqlx::query(FIND).bind(numbers).fetch_all(connection).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, found(row)?))).collect()
}

/// These events with their bodies.
pub(super) async fn read(
    connection: &mut PgConnection,
    found: HashMap<i64, Found>,
) -> sqlx::Result<HashMap<i64, StoredEvent>> {
    let mut deliveries: Vec<i64> = found.values().map(|it| it.delivery).collect();
    deliveries.sort_unstable();
    deliveries.dedup();
    let bodies = large(connection, BODIES, deliveries).await?;
    let own = found.iter().filter(|(_, it)| it.payload_bytes > 0).map(|(number, _)| *number);
    let mut payloads = large(connection, PAYLOADS, own.collect()).await?;
    let events = found.into_iter().map(|(number, Found { event, delivery, place, .. })| {
        let body = bodies.get(&delivery).cloned().unwrap_or_default();
        let payload = match place {
            Some((start, length)) if start.checked_add(length).is_some_and(|end| end <= body.len()) => {
                body.slice(start..start + length)
            }
            _ => payloads.remove(&number).unwrap_or_default(),
        };
        (number, StoredEvent { body, payload, ..event })
    });
    Ok(events.collect())
}

/// Whether an error is about what was read, and not about the server or the way to it.
pub(super) fn is_unreadable(error: &sqlx::Error) -> bool {
    use sqlx::Error::{ColumnDecode, Database, Decode, RowNotFound};
    /// Data exceptions, and data that is damaged: <https://www.postgresql.org/docs/current/errcodes-appendix.html>
    const OF_DATA: [&str; 2] = ["22", "XX"];
    match error {
        ColumnDecode { .. } | Decode(_) | RowNotFound => true,
        Database(error) => error.code().is_some_and(|code| OF_DATA.iter().any(|it| code.starts_with(it))),
        _ => false,
    }
}

async fn large(
    connection: &mut PgConnection,
    sql: &'static str,
    numbers: Vec<i64>,
) -> sqlx::Result<HashMap<i64, Bytes>> {
    if numbers.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as(sql).bind(numbers).fetch_all(connection).await?;
    Ok(rows.into_iter().map(|(number, bytes)| (number, Bytes::from(bytes))).collect())
}

fn found(row: &PgRow) -> sqlx::Result<Found> {
    let place = |column| -> sqlx::Result<Option<usize>> {
        Ok(row.try_get::<Option<i64>, _>(column)?.and_then(|it| usize::try_from(it).ok()))
    };
    let length = |column| -> sqlx::Result<usize> {
        let length = row.try_get::<Option<i32>, _>(column)?;
        Ok(length.and_then(|it| usize::try_from(it).ok()).unwrap_or_default())
    };
    let source: String = row.try_get(8)?;
    let event = StoredEvent {
        source: SourceName::new(&source).ok_or_else(|| sqlx::Error::Decode("not a source's name".into()))?,
        delivery_id: number(&row.try_get::<Vec<u8>, _>(9)?)?,
        received_at: time::time(row.try_get(10)?),
        verified: verified(row.try_get(11)?, row.try_get(12)?, row.try_get(13)?),
        headers: row.try_get::<Option<_>, _>(14)?.unwrap_or_default(),
        body: Bytes::new(),
        key: row.try_get::<Option<String>, _>(7)?.as_deref().and_then(EventKey::parse),
        id: row.try_get(2)?,
        event_type: row.try_get(3)?,
        payload: Bytes::new(),
    };
    Ok(Found {
        event,
        delivery: row.try_get(1)?,
        body_bytes: length(15)?,
        payload_bytes: length(6)?,
        place: place(4)?.zip(place(5)?),
    })
}

fn number(bytes: &[u8]) -> sqlx::Result<u128> {
    bytes.try_into().map(u128::from_be_bytes).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

fn verified(signed: bool, secret_index: Option<i32>, signed_at: Option<i64>) -> Verified {
    if !signed {
        return Verified::unsigned();
    }
    let secret_index = secret_index.and_then(|it| usize::try_from(it).ok());
    let verified = secret_index.map_or_else(Verified::new, Verified::by_secret);
    signed_at.map_or(verified, |at| verified.with_signed_at(time::time(at)))
}
