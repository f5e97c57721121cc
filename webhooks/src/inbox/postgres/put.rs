//! Puts a delivery down.

use sqlx::{Connection, PgConnection};

use super::text::storable;
use super::time::{self, now};
use super::tokens;
use crate::inbox::{InboxError, NewRun, Parcel, Payload, Put};

/// What became of a parcel.
pub(super) struct Stored {
    /// One answer an event, in order.
    pub(super) entries: Vec<Put>,
    /// How many runs are pending that were not.
    pub(super) begun: i64,
}

/// A parcel as columns.
pub(super) struct Rows {
    parcel: Parcel,
    keys: Vec<Option<String>>,
    ids: Vec<Option<String>>,
    types: Vec<String>,
    starts: Vec<Option<i64>>,
    lengths: Vec<Option<i64>>,
    payloads: Vec<Option<Vec<u8>>>,
    retentions: Vec<i64>,
    runs: RunRows,
}

/// The runs of all events; `positions` says of which, from 1.
#[derive(Default)]
struct RunRows {
    positions: Vec<i32>,
    listeners: Vec<String>,
    order_keys: Vec<Option<Vec<u8>>>,
    locks: Vec<i64>,
}

/// One statement, so that everything is put down or nothing.
///
/// `ready` makes the commit durable, whatever the role's own settings are, and for ordered runs makes sure that numbers
/// are given in the order in which they become visible: who has the lock of an order key commits before the next one
/// gets a number. `fresh` are the events that are not known yet. `revived` are dead runs of known events.
const PUT: &str = concat!(
    "WITH ready AS MATERIALIZED (
    SELECT set_config('synchronous_commit', 'on', true) AS durable,
           (SELECT count(pg_advisory_xact_lock(lock)) FROM unnest($20::bigint[]) AS lock) AS locked
), entry AS (
    SELECT * FROM unnest($10::text[], $11::text[], $12::text[], $13::bigint[], $14::bigint[], $15::bytea[], $16::bigint[])
    WITH ORDINALITY AS entry (key, event_id, type, payload_start, payload_length, payload, retention, position)
), run AS (
    SELECT * FROM unnest($17::integer[], $18::text[], $19::bytea[])
    WITH ORDINALITY AS run (position, listener, order_key, number)
), fresh AS (
    SELECT entry.* FROM entry
    WHERE NOT EXISTS (SELECT FROM webhooks.events known WHERE known.key = entry.key)
      AND NOT EXISTS (SELECT FROM entry earlier WHERE earlier.key = entry.key AND earlier.position < entry.position)
), delivery AS (
    INSERT INTO webhooks.deliveries (source, delivery, received_at, signed, secret_index, signed_at, headers, body)
    SELECT $2, $3, $4, $5, $6, $7, $8, $9 FROM ready WHERE ready.locked >= 0 AND EXISTS (SELECT FROM fresh)
    RETURNING id
), stored AS (
    INSERT INTO webhooks.events
        (delivery, position, key, event_id, type, payload_start, payload_length, payload, retention, pending)
    SELECT delivery.id, fresh.position, fresh.key, fresh.event_id, fresh.type, fresh.payload_start,
           fresh.payload_length, fresh.payload, fresh.retention,
           (SELECT count(*) FROM run WHERE run.position = fresh.position)
    FROM delivery CROSS JOIN fresh ORDER BY fresh.position
    ON CONFLICT (key) DO NOTHING
    RETURNING id, position
), begun AS (
    INSERT INTO webhooks.runs (event, listener, order_key, due_at)
    SELECT stored.id, run.listener, run.order_key, ",
    now!(),
    "
    FROM stored JOIN run ON run.position = stored.position ORDER BY stored.id, run.number
    RETURNING 1
), revived AS (
    UPDATE webhooks.runs SET state = 0, spent = 0, unsettled = 0, replay = false, settled_at = NULL, reason = NULL, due_at = ",
    now!(),
    "
    FROM webhooks.events known
    WHERE known.key = ANY($10) AND runs.event = known.id AND runs.state = 2
    RETURNING runs.event
), reopened AS (
    UPDATE webhooks.events SET pending = pending + again.runs, dead = dead - again.runs, strip_at = NULL, purge_at = NULL
    FROM (SELECT event, count(*)::integer AS runs FROM revived GROUP BY event) AS again
    WHERE events.id = again.event
    RETURNING events.key
)
SELECT stored.id IS NOT NULL, reopened.key IS NOT NULL, (SELECT id FROM delivery),
       (SELECT count(*) FROM begun) + (SELECT count(*) FROM revived)
FROM ready CROSS JOIN entry
LEFT JOIN stored ON stored.position = entry.position
LEFT JOIN reopened ON reopened.key = entry.key
ORDER BY entry.position"
);

/// Puts all events of a delivery down, and what its signature covers instead of its body.
pub(super) async fn put(
    connection: &mut PgConnection,
    rows: &Rows,
    turned: i64,
) -> sqlx::Result<Result<Stored, InboxError>> {
    if rows.parcel.tokens.is_empty() {
        return put_events(connection, rows, turned).await.map(Ok);
    }
    let mut transaction = connection.begin().await?;
    sqlx::query("SET LOCAL synchronous_commit = on").execute(&mut *transaction).await?;
    for token in &rows.parcel.tokens {
        if !tokens::bind(&mut transaction, token, turned).await? {
            return Ok(Err(InboxError::TokenReused));
        }
    }
    let stored = put_events(&mut transaction, rows, turned).await?;
    transaction.commit().await?;
    Ok(Ok(stored))
}

/// Whether all of it is known, and nothing of it would be begun afresh. A token would have to be tied first.
pub(super) async fn is_duplicate(connection: &mut PgConnection, rows: &Rows) -> sqlx::Result<bool> {
    if !rows.parcel.tokens.is_empty() {
        return Ok(false);
    }
    let sql = "SELECT count(*) FROM unnest($1::text[]) AS wanted (key)
               WHERE NOT EXISTS (SELECT FROM webhooks.events e WHERE e.key = wanted.key AND e.dead = 0)";
    let unknown: i64 = sqlx::query_scalar(sql).bind(&rows.keys).fetch_one(connection).await?;
    Ok(unknown == 0)
}

async fn put_events(connection: &mut PgConnection, rows: &Rows, turned: i64) -> sqlx::Result<Stored> {
    let verified = &rows.parcel.verified;
    let found: Vec<(bool, bool, Option<i64>, i64)> = sqlx::query_as(PUT)
        .bind(turned)
        .bind(rows.parcel.source.as_str())
        .bind(&rows.parcel.delivery_id.to_be_bytes()[..])
        .bind(time::millis(rows.parcel.received_at))
        .bind(verified.is_signed())
        .bind(verified.secret_index().and_then(|index| i32::try_from(index).ok()))
        .bind(verified.signed_at().map(time::millis))
        .bind(&rows.parcel.headers)
        .bind(&rows.parcel.body[..])
        .bind(&rows.keys)
        .bind(&rows.ids)
        .bind(&rows.types)
        .bind(&rows.starts)
        .bind(&rows.lengths)
        .bind(&rows.payloads)
        .bind(&rows.retentions)
        .bind(&rows.runs.positions)
        .bind(&rows.runs.listeners)
        .bind(&rows.runs.order_keys)
        .bind(&rows.runs.locks)
        .fetch_all(&mut *connection)
        .await?;
    let entries: Vec<_> = found
        .iter()
        .map(|(stored, reopened, ..)| match (stored, reopened) {
            (true, _) => Put::Stored,
            (false, true) => Put::Revived,
            (false, false) => Put::Duplicate,
        })
        .collect();
    let (_, _, delivery, begun) = found.first().copied().unwrap_or_default();
    if let Some(delivery) = delivery.filter(|_| !entries.contains(&Put::Stored)) {
        // Another put the same events down in the same moment, and was first: nothing refers to this delivery.
        sqlx::query("DELETE FROM webhooks.deliveries WHERE id = $1")
            .bind(delivery)
            .execute(connection)
            .await?;
    }
    Ok(Stored { entries, begun })
}

impl Rows {
    /// How many events there are.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn of(mut parcel: Parcel) -> Self {
        let events = std::mem::take(&mut parcel.events);
        let mut rows = Self {
            parcel,
            keys: Vec::new(),
            ids: Vec::new(),
            types: Vec::new(),
            starts: Vec::new(),
            lengths: Vec::new(),
            payloads: Vec::new(),
            retentions: Vec::new(),
            runs: RunRows::default(),
        };
        for (position, event) in (1..).zip(events) {
            let (start, length, payload) = match event.payload {
                Payload::Range { start, length } => {
                    (i64::try_from(start).ok(), i64::try_from(length).ok(), None)
                }
                Payload::Own(payload) => (None, None, Some(payload.to_vec())),
            };
            rows.keys.push(event.key.map(|key| key.to_string()));
            rows.ids.push(event.id.as_deref().map(storable));
            rows.types.push(storable(&event.event_type));
            rows.starts.push(start);
            rows.lengths.push(length);
            rows.payloads.push(payload);
            rows.retentions.push(time::span(event.retention));
            event.runs.iter().for_each(|run| rows.runs.add(position, run));
        }
        // Everyone takes the locks in the same order.
        rows.runs.locks.sort_unstable();
        rows.runs.locks.dedup();
        rows
    }
}

impl RunRows {
    fn add(&mut self, position: i32, run: &NewRun) {
        self.positions.push(position);
        self.listeners.push(storable(&run.listener));
        self.order_keys.push(run.order_key.map(|key| key.to_vec()));
        if let Some(key) = run.order_key {
            let mut of = run.listener.as_bytes().to_vec();
            of.extend(key);
            self.locks.push(i64::from_ne_bytes(xxhash_rust::xxh3::xxh3_64(&of).to_ne_bytes()));
        }
    }
}
