//! Puts deliveries down.

use std::collections::{HashMap, HashSet};

use sqlx::{Connection, PgConnection};

use super::rows::Rows;
use super::tokens;
use crate::inbox::{InboxError, Parcel, Put};

/// What became of a parcel.
#[derive(Debug)]
pub(super) struct Stored {
    /// One answer an event, in order.
    pub(super) entries: Vec<Put>,
    /// How many runs are pending that were not.
    pub(super) begun: i64,
}

/// One statement, so that everything is put down or nothing. It gives back the keys of the events that were not known.
///
/// `ready` makes the commit durable, whatever the role's own settings are, and for ordered runs makes sure that numbers
/// are given in the order in which they become visible: who has the lock of an order key commits before the next one
/// gets a number. That is why `numbers` refers to it. Keys are put down sorted, so that two statements which share some
/// never wait for each other. `IS TRUE` keeps what is before it from becoming a join, which would compare each with each.
///
/// `$blocked` says whether a run is behind others, which `$front` has looked for.
macro_rules! put {
    ($blocked:literal, $front:literal) => {
        concat!(
    "WITH ready AS MATERIALIZED (
    SELECT set_config('synchronous_commit', 'on', true) AS durable,
           (SELECT count(pg_advisory_xact_lock(lock)) FROM unnest($1::bigint[]) AS lock) AS locked
), numbers AS MATERIALIZED (
    SELECT ARRAY(SELECT nextval('webhooks.deliveries_id_seq')
                 FROM generate_series(1, cardinality($2::text[]) + 0 * ready.locked)) AS deliveries,
           ARRAY(SELECT nextval('webhooks.events_id_seq')
                 FROM generate_series(1, cardinality($10::integer[]) + 0 * ready.locked)) AS events
    FROM ready
), stored AS (
    INSERT INTO webhooks.events (id, delivery, position, key, event_id, type, payload_start, payload_length, payload,
                                 retention, pending)
    OVERRIDING SYSTEM VALUE
    SELECT numbers.events[entry.number], numbers.deliveries[entry.delivery], entry.position, entry.key, entry.event_id,
           entry.type, entry.payload_start, entry.payload_length, entry.payload, entry.retention, entry.pending
    FROM numbers CROSS JOIN unnest($10::integer[], $11::integer[], $12::text[], $13::text[], $14::text[], $15::bigint[],
                                   $16::bigint[], $17::bytea[], $18::bigint[], $19::integer[])
    WITH ORDINALITY AS entry (delivery, position, key, event_id, type, payload_start, payload_length, payload,
                              retention, pending, number)
    ORDER BY entry.key, entry.number
    ON CONFLICT (key) DO NOTHING
    RETURNING id, delivery, key
), delivered AS (
    INSERT INTO webhooks.deliveries (id, source, delivery, received_at, signed, secret_index, signed_at, headers, body)
    OVERRIDING SYSTEM VALUE
    SELECT numbers.deliveries[parcel.number], parcel.source, parcel.delivery, parcel.received_at, parcel.signed,
           parcel.secret_index, parcel.signed_at, parcel.headers, parcel.body
    FROM numbers CROSS JOIN unnest($2::text[], $3::bytea[], $4::bigint[], $5::boolean[], $6::integer[], $7::bigint[],
                                   $8::bytea[], $9::bytea[])
    WITH ORDINALITY AS parcel (source, delivery, received_at, signed, secret_index, signed_at, headers, body, number)
    WHERE (numbers.deliveries[parcel.number] IN (SELECT delivery FROM stored)) IS TRUE
), begun AS (
    INSERT INTO webhooks.runs (event, listener, order_key, due_at, blocked)
    SELECT numbers.events[run.event], run.listener, run.order_key, 0, ",
    $blocked,
    "
    FROM numbers CROSS JOIN unnest($20::integer[], $21::text[], $22::bytea[])
    WITH ORDINALITY AS run (event, listener, order_key, number)
    ",
    $front,
    "
    WHERE (numbers.events[run.event] IN (SELECT id FROM stored)) IS TRUE
    ORDER BY run.number
)
SELECT key FROM stored"
        )
    };
}

const PUT: &str = put!("false", "");

/// The same where runs have order keys: one that is behind others is blocked from the start, see `ordered`.
const PUT_IN_ORDER: &str = put!(
    "front.id IS NOT NULL",
    "LEFT JOIN LATERAL (
        SELECT f.id FROM webhooks.runs f
        WHERE f.listener = run.listener AND f.order_key = run.order_key AND f.state = 0
        ORDER BY f.event DESC LIMIT 1 FOR SHARE SKIP LOCKED
    ) AS front ON true"
);

/// Begins the dead runs of known events afresh: their keys, and how many runs those are.
const REVIVE: &str = "WITH durable AS MATERIALIZED (
    SELECT set_config('synchronous_commit', 'on', true)
), revived AS (
    UPDATE webhooks.runs SET state = 0, spent = 0, unsettled = 0, blocked = false, replay = false, settled_at = NULL, reason = NULL, due_at = 0
    FROM durable, webhooks.events known
    WHERE known.key = ANY($1) AND runs.event = known.id AND runs.state = 2
    RETURNING runs.event
)
UPDATE webhooks.events SET pending = pending + again.runs, dead = dead - again.runs, strip_at = NULL, purge_at = NULL
FROM (SELECT event, count(*)::integer AS runs FROM revived GROUP BY event) AS again
WHERE events.id = again.event
RETURNING events.key, again.runs";

/// Puts all events of these deliveries down: what became of each delivery.
pub(super) async fn put_all(connection: &mut PgConnection, parcels: &[Parcel]) -> sqlx::Result<Vec<Stored>> {
    let rows = Rows::of(parcels);
    let mut fresh = insert(connection, &rows).await?;
    let keys = &rows.events.keys;
    // A key that occurs twice was new the first time.
    let fresh: Vec<_> = keys.iter().map(|key| fresh.remove(key)).collect();
    let known = keys.iter().zip(&fresh).filter(|(_, fresh)| !**fresh).map(|(key, _)| key.as_str());
    let mut revived = revive(connection, &known.collect::<Vec<_>>()).await?;
    let mut became = keys.iter().zip(fresh).zip(&rows.events.runs).map(|((key, fresh), runs)| match revived
        .get_mut(key)
    {
        _ if fresh => (Put::Stored, i64::from(*runs)),
        Some(runs) => (Put::Revived, std::mem::take(runs)),
        None => (Put::Duplicate, 0),
    });
    let stored = parcels.iter().map(|parcel| {
        let (entries, begun): (_, Vec<_>) = became.by_ref().take(parcel.events.len()).unzip();
        Stored { entries, begun: begun.iter().sum() }
    });
    Ok(stored.collect())
}

/// Puts a delivery down together with what its signature covers instead of its body.
pub(super) async fn put_with_tokens(
    connection: &mut PgConnection,
    parcel: &Parcel,
    turned: i64,
) -> sqlx::Result<Result<Stored, InboxError>> {
    let mut transaction = connection.begin().await?;
    sqlx::query("SET LOCAL synchronous_commit = on").execute(&mut *transaction).await?;
    for token in &parcel.tokens {
        if !tokens::bind(&mut transaction, token, turned).await? {
            return Ok(Err(InboxError::TokenReused));
        }
    }
    let stored = put_all(&mut transaction, std::slice::from_ref(parcel)).await?.pop();
    transaction.commit().await?;
    Ok(stored.ok_or_else(|| InboxError::unavailable("nothing was done")))
}

/// Whether all of it is known, and nothing of it would be begun afresh. A token would have to be tied first.
pub(super) async fn is_duplicate(connection: &mut PgConnection, parcel: &Parcel) -> sqlx::Result<bool> {
    if !parcel.tokens.is_empty() {
        return Ok(false);
    }
    let sql = "SELECT count(*) FROM unnest($1::text[]) AS wanted (key)
               WHERE NOT EXISTS (SELECT FROM webhooks.events e WHERE e.key = wanted.key AND e.dead = 0)";
    let keys = Rows::of(std::slice::from_ref(parcel)).events.keys;
    let unknown: i64 = sqlx::query_scalar(sql).bind(&keys).fetch_one(connection).await?;
    Ok(unknown == 0)
}

async fn insert(connection: &mut PgConnection, rows: &Rows<'_>) -> sqlx::Result<HashSet<String>> {
    let Rows { deliveries, events, runs, locks } = rows;
    if events.keys.is_empty() {
        return Ok(HashSet::new());
    }
    let sql = if locks.is_empty() { PUT } else { PUT_IN_ORDER };
    let fresh: Vec<String> = sqlx::query_scalar(sql)
        .bind(locks)
        .bind(&deliveries.sources)
        .bind(&deliveries.ids)
        .bind(&deliveries.received_at)
        .bind(&deliveries.signed)
        .bind(&deliveries.secrets)
        .bind(&deliveries.signed_at)
        .bind(&deliveries.headers)
        .bind(&deliveries.bodies)
        .bind(&events.deliveries)
        .bind(&events.positions)
        .bind(&events.keys)
        .bind(&events.ids)
        .bind(&events.types)
        .bind(&events.starts)
        .bind(&events.lengths)
        .bind(&events.payloads)
        .bind(&events.retentions)
        .bind(&events.runs)
        .bind(&runs.events)
        .bind(&runs.listeners)
        .bind(&runs.order_keys)
        .fetch_all(connection)
        .await?;
    Ok(fresh.into_iter().collect())
}

async fn revive(connection: &mut PgConnection, keys: &[&str]) -> sqlx::Result<HashMap<String, i64>> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let revived: Vec<(String, i32)> = sqlx::query_as(REVIVE).bind(keys).fetch_all(connection).await?;
    Ok(revived.into_iter().map(|(key, runs)| (key, runs.into())).collect())
}

#[cfg(test)]
mod tests {
    use super::super::PostgresInbox;
    use super::super::tests::{DAY, Fleet, claim, parcel, put};
    use crate::delivery::SourceName;
    use crate::inbox::{End, Inbox as _, Parcel, Put};
    use crate::run::inline::Binding;
    use crate::store::{DeadReason, EventKey};

    /// A role that commits without waiting for the disk, and an inbox that does wait, whatever it is that is answered 200.
    #[tokio::test(flavor = "multi_thread")]
    async fn synchronous_commit_off_role() {
        let fleet = Fleet::new();
        // Triggers write down under which setting each was committed.
        let usual = fleet.process().await;
        fleet.query(
            "CREATE TABLE seen (setting text);
             CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS
                 'BEGIN INSERT INTO seen VALUES (current_setting(''synchronous_commit'')); RETURN NULL; END';
             CREATE CONSTRAINT TRIGGER see AFTER INSERT ON webhooks.events DEFERRABLE INITIALLY DEFERRED
                 FOR EACH ROW EXECUTE FUNCTION see();
             CREATE CONSTRAINT TRIGGER see AFTER UPDATE ON webhooks.runs DEFERRABLE INITIALLY DEFERRED
                 FOR EACH ROW EXECUTE FUNCTION see();
             CREATE CONSTRAINT TRIGGER see AFTER INSERT ON webhooks.tokens DEFERRABLE INITIALLY DEFERRED
                 FOR EACH ROW EXECUTE FUNCTION see()",
        );
        let role = format!("hasty_{}", fleet.url.rsplit('_').next().unwrap());
        fleet.query(&format!(
            "CREATE ROLE {role} LOGIN; ALTER ROLE {role} SET synchronous_commit = off;
             GRANT USAGE ON SCHEMA webhooks TO {role}; GRANT ALL ON ALL TABLES IN SCHEMA webhooks TO {role};
             GRANT USAGE ON ALL SEQUENCES IN SCHEMA webhooks TO {role}; GRANT ALL ON seen TO {role}"
        ));
        let url = fleet.url.replace("postgres@", &format!("{role}@"));
        let (inbox, _) = PostgresInbox::open(fleet.options(&url)).await.unwrap();
        let seen = || {
            fleet.query("WITH gone AS (DELETE FROM seen RETURNING setting) SELECT DISTINCT setting FROM gone")
        };
        assert_eq!(put(&inbox, "1", &["a"], None).await, Put::Stored);
        assert_eq!(seen(), "on");

        let run = claim(&usual, 1).await.remove(0);
        let dead = End::Dead { reason: DeadReason::Permanent, error: "no".to_owned() };
        assert!(usual.settle(run.fence, dead).await.unwrap());
        seen();
        assert_eq!(put(&inbox, "1", &["a"], None).await, Put::Revived);
        assert_eq!(seen(), "on");

        let key = EventKey::new(&SourceName::new("stripe").unwrap(), &[b"token"]);
        let token = Binding { key, body: "body".to_owned(), retention: DAY };
        inbox.put(Parcel { tokens: vec![token], ..parcel(&[], &[], None) }).await.unwrap();
        assert_eq!(seen(), "on");
    }
}
