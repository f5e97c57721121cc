//! Events as they come back.

use std::collections::HashMap;

use bytes::Bytes;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::time;
use crate::delivery::SourceName;
use crate::inbox::StoredEvent;
use crate::scheme::Verified;
use crate::store::EventKey;

const EVENTS: &str =
    "SELECT e.id, e.delivery, e.event_id, e.type, e.payload_start, e.payload_length, e.payload, e.key
    FROM webhooks.events e WHERE e.id = ANY($1)";

/// A delivery is read once, however many of its events are wanted.
const DELIVERIES: &str =
    "SELECT d.id, d.source, d.delivery, d.received_at, d.signed, d.secret_index, d.signed_at,
    d.headers, d.body FROM webhooks.deliveries d
    WHERE d.id IN (SELECT delivery FROM webhooks.events WHERE id = ANY($1))";

/// The events of these numbers.
pub(super) async fn events(
    connection: &mut PgConnection,
    numbers: &[i64],
) -> sqlx::Result<HashMap<i64, StoredEvent>> {
    let deliveries = sqlx::query(DELIVERIES).bind(numbers).fetch_all(&mut *connection).await?;
    let deliveries: HashMap<i64, StoredEvent> =
        deliveries.iter().map(|row| Ok((row.try_get(0)?, delivery(row)?))).collect::<sqlx::Result<_>>()?;
    let events = sqlx::query(EVENTS).bind(numbers).fetch_all(connection).await?;
    let events = events.iter().map(|row| {
        let delivery = deliveries.get(&row.try_get(1)?).ok_or(sqlx::Error::RowNotFound)?;
        Ok((row.try_get(0)?, event(row, delivery.clone())?))
    });
    events.collect()
}

/// What all events of a delivery have in common.
fn delivery(row: &PgRow) -> sqlx::Result<StoredEvent> {
    let source: String = row.try_get(1)?;
    Ok(StoredEvent {
        source: SourceName::new(&source).ok_or_else(|| sqlx::Error::Decode("not a source's name".into()))?,
        delivery_id: number(&row.try_get::<Vec<u8>, _>(2)?)?,
        received_at: time::time(row.try_get(3)?),
        verified: verified(row.try_get(4)?, row.try_get(5)?, row.try_get(6)?),
        headers: row.try_get::<Option<_>, _>(7)?.unwrap_or_default(),
        body: Bytes::from(row.try_get::<Option<Vec<u8>>, _>(8)?.unwrap_or_default()),
        key: None,
        id: None,
        event_type: String::new(),
        payload: Bytes::new(),
    })
}

fn event(row: &PgRow, delivery: StoredEvent) -> sqlx::Result<StoredEvent> {
    let place = |column| -> sqlx::Result<Option<usize>> {
        Ok(row.try_get::<Option<i64>, _>(column)?.and_then(|it| usize::try_from(it).ok()))
    };
    let range = place(4)?.zip(place(5)?);
    let body = &delivery.body;
    let payload = match range {
        Some((start, length)) if start.checked_add(length).is_some_and(|end| end <= body.len()) => {
            body.slice(start..start + length)
        }
        _ => Bytes::from(row.try_get::<Option<Vec<u8>>, _>(6)?.unwrap_or_default()),
    };
    let key = row.try_get::<Option<String>, _>(7)?.as_deref().and_then(EventKey::parse);
    Ok(StoredEvent { key, id: row.try_get(2)?, event_type: row.try_get(3)?, payload, ..delivery })
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
