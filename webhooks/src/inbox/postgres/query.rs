//! Reads for operators.

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Postgres, QueryBuilder, Row};

use super::text::storable;
use super::time;
use crate::inbox::ListenerCount;
use crate::inbox::record::{EventRecord, EventSummary, FailedAttempt, RunRecord, RunState, Selection};
use crate::store::EventKey;

/// So many are listed, unless the selection says how many.
const USUAL_LIMIT: u32 = 100;

/// The columns of [`EventSummary`].
const SUMMARY: &str = "SELECT e.id, d.source, e.event_id, e.type, d.received_at, e.pending,
    (SELECT count(*) FROM webhooks.runs WHERE event = e.id AND state = 1)::integer, e.dead";

/// Runs `r`, their events `e` and deliveries `d`.
pub(super) const RUNS: &str = " FROM webhooks.runs r JOIN webhooks.events e ON e.id = r.event JOIN webhooks.deliveries d ON d.id = e.delivery ";

/// Adds the selection's conditions. What is asked for is bound, never written into the text: but for the state, which the
/// partial indexes name, and the server's one plan for all values of a parameter could use none of them.
pub(super) fn select(query: &mut QueryBuilder<Postgres>, selection: &Selection) {
    query.push(" WHERE true");
    if let Some(number) = selection.event {
        query.push(" AND e.id = ").push_bind(number);
    }
    if let Some(source) = &selection.source {
        query.push(" AND d.source = ").push_bind(source.clone());
    }
    if let Some(id) = &selection.event_id {
        query.push(" AND e.event_id = ").push_bind(storable(id));
    }
    if let Some(listener) = &selection.listener {
        query.push(" AND r.listener = ").push_bind(storable(listener));
    }
    // Only the dead have a reason.
    if let Some(state) = selection.state.or(selection.reason.map(|_| RunState::Dead)) {
        query.push(" AND r.state = ").push(state_number(state));
    }
    if let Some(reason) = selection.reason {
        query.push(" AND r.reason = ").push_bind(reason.code());
    }
    if let Some(after) = selection.after {
        query.push(" AND d.received_at >= ").push_bind(time::millis(after));
    }
    if let Some(before) = selection.before {
        query.push(" AND d.received_at < ").push_bind(time::millis(before));
    }
}

/// Events with a run that is selected, the latest first.
pub(super) async fn list(
    connection: &mut PgConnection,
    selection: &Selection,
) -> sqlx::Result<Vec<EventSummary>> {
    let mut query = QueryBuilder::new(SUMMARY);
    query.push(
        " FROM webhooks.events e JOIN webhooks.deliveries d ON d.id = e.delivery WHERE e.id IN (SELECT e.id",
    );
    query.push(RUNS);
    select(&mut query, selection);
    let limit = i64::from(selection.limit.unwrap_or(USUAL_LIMIT));
    query.push(") ORDER BY e.id DESC LIMIT ").push_bind(limit);
    query.build().fetch_all(connection).await?.iter().map(summary).collect()
}

/// One event with all that happened to it.
pub(super) async fn show(connection: &mut PgConnection, event: i64) -> sqlx::Result<Option<EventRecord>> {
    let mut query = QueryBuilder::new(SUMMARY);
    query.push(", d.delivery, length(d.body)::bigint, e.key FROM webhooks.events e JOIN webhooks.deliveries d ON d.id = e.delivery");
    query.push(" WHERE e.id = ").push_bind(event);
    let Some(row) = query.build().fetch_optional(&mut *connection).await? else { return Ok(None) };
    let delivery: Vec<u8> = row.try_get(8)?;
    let body_bytes: Option<i64> = row.try_get(9)?;
    let mut record = EventRecord {
        summary: summary(&row)?,
        delivery: hex::encode(delivery),
        key: row.try_get::<Option<String>, _>(10)?.as_deref().and_then(EventKey::parse),
        body_bytes: body_bytes.and_then(|it| u64::try_from(it).ok()),
        runs: Vec::new(),
    };
    let sql = "SELECT id, listener, state, held, replay, due_at, settled_at, reason FROM webhooks.runs
               WHERE event = $1 ORDER BY id";
    for row in sqlx::query(sql).bind(event).fetch_all(&mut *connection).await? {
        let mut run = run(&row)?;
        run.failures = failures(connection, row.try_get(0)?).await?;
        record.runs.push(run.counted());
    }
    Ok(Some(record))
}

/// What is pending and dead, by listener. Either is found by an index of its own, however much is done.
pub(super) async fn counts(connection: &mut PgConnection) -> sqlx::Result<Vec<ListenerCount>> {
    let sql = "SELECT r.listener, count(*) FILTER (WHERE r.state = 0), count(*) FILTER (WHERE r.state = 2),
                      (SELECT min(d.received_at) FROM webhooks.events e JOIN webhooks.deliveries d ON d.id = e.delivery
                       WHERE e.id = min(r.event) FILTER (WHERE r.state = 0))
               FROM (SELECT listener, event, state FROM webhooks.runs WHERE state = 0
                     UNION ALL SELECT listener, event, state FROM webhooks.runs WHERE state = 2) AS r
               GROUP BY r.listener ORDER BY r.listener";
    let rows: Vec<(String, i64, i64, Option<i64>)> = sqlx::query_as(sql).fetch_all(connection).await?;
    let count = |it: i64| u64::try_from(it).unwrap_or_default();
    let counts = rows.into_iter().map(|(listener, pending, dead, oldest)| ListenerCount {
        listener,
        pending: count(pending),
        dead: count(dead),
        oldest_pending: oldest.map(time::time),
    });
    Ok(counts.collect())
}

fn summary(row: &PgRow) -> sqlx::Result<EventSummary> {
    Ok(EventSummary {
        number: row.try_get(0)?,
        source: row.try_get(1)?,
        event_id: row.try_get(2)?,
        event_type: row.try_get(3)?,
        received_at: time::time(row.try_get(4)?),
        pending: count(row, 5)?,
        done: count(row, 6)?,
        dead: count(row, 7)?,
    })
}

fn run(row: &PgRow) -> sqlx::Result<RunRecord> {
    let state = match row.try_get::<i16, _>(2)? {
        0 => RunState::Pending,
        1 => RunState::Done,
        _ => RunState::Dead,
    };
    let (is_under_way, due_at) = (row.try_get(3)?, time::time(row.try_get(5)?));
    Ok(RunRecord {
        listener: row.try_get(1)?,
        state,
        attempts: 0,
        is_under_way,
        is_replay: row.try_get(4)?,
        due_at: (state == RunState::Pending && !is_under_way).then_some(due_at),
        settled_at: row.try_get::<Option<i64>, _>(6)?.map(time::time),
        reason: row.try_get(7)?,
        failures: Vec::new(),
    })
}

async fn failures(connection: &mut PgConnection, run: i64) -> sqlx::Result<Vec<FailedAttempt>> {
    let sql = "SELECT attempt, at, error FROM webhooks.failures WHERE run = $1 ORDER BY attempt";
    let rows = sqlx::query(sql).bind(run).fetch_all(connection).await?;
    let failures = rows.iter().map(|row| {
        Ok(FailedAttempt { attempt: count(row, 0)?, at: time::time(row.try_get(1)?), error: row.try_get(2)? })
    });
    failures.collect()
}

fn count(row: &PgRow, column: usize) -> sqlx::Result<u32> {
    Ok(u32::try_from(row.try_get::<i32, _>(column)?).unwrap_or_default())
}

fn state_number(state: RunState) -> i16 {
    match state {
        RunState::Pending => 0,
        RunState::Done => 1,
        RunState::Dead => 2,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sqlx::{Connection as _, PgConnection};

    use super::super::change::{self, Rest};
    use super::super::tests::{Fleet, claim, parcel, put};
    use super::super::{Options, query};
    use crate::inbox::record::{RunState, Selection};
    use crate::inbox::{End, Inbox as _};
    use crate::store::DeadReason;

    /// However much is done and still kept.
    #[tokio::test(flavor = "multi_thread")]
    async fn the_dead_are_found_by_their_index() {
        let fleet = Fleet::new();
        let inbox = fleet.process().await;
        put(&inbox, "bad", &["a"], None).await;
        let bad = claim(&inbox, 1).await.remove(0);
        let dead = End::Dead { reason: DeadReason::Permanent, error: "no".to_owned() };
        assert!(inbox.settle(bad.fence, dead).await.unwrap());
        let done: Vec<String> = (0..2_000).map(|id| id.to_string()).collect();
        inbox.put(parcel(&done, &["a"], None)).await.unwrap();
        fleet.query("UPDATE webhooks.runs SET state = 1 WHERE state = 0");
        fleet.query("VACUUM ANALYZE webhooks.runs, webhooks.events, webhooks.deliveries");

        let mut connection = inbox.pool.acquire().await.unwrap();
        let options = Options { keep_done: 1, keep_body: 1, keep_dead: 1 };
        for selection in [
            Selection::new().state(RunState::Dead),
            Selection::new().reason(DeadReason::Permanent),
            Selection::new()
                .state(RunState::Dead)
                .listener("a")
                .after(std::time::UNIX_EPOCH + Duration::from_secs(1)),
        ] {
            // Never committed: what one changes, the next finds as it was.
            let mut transaction = connection.begin().await.unwrap();
            let before = rows_read(&mut transaction).await;
            assert_eq!(query::list(&mut transaction, &selection).await.unwrap().len(), 1);
            let listed = rows_read(&mut transaction).await - before;
            let part = change::replay(&mut transaction, &selection, Rest::of(&selection), 0, &options);
            assert_eq!(part.await.unwrap().0.runs, 1);
            let replayed = rows_read(&mut transaction).await - before - listed;
            assert!(listed < 100 && replayed < 100, "{selection:?}: {listed} and {replayed} rows were read");
            transaction.rollback().await.unwrap();
        }
    }

    /// How many rows of the runs, or entries of their indexes, this connection has read.
    async fn rows_read(connection: &mut PgConnection) -> i64 {
        let sql = "SELECT sum(pg_stat_get_xact_tuples_returned(it))::bigint FROM (
                       SELECT 'webhooks.runs'::regclass UNION ALL
                       SELECT indexrelid FROM pg_index WHERE indrelid = 'webhooks.runs'::regclass) AS read (it)";
        sqlx::query_scalar(sql).fetch_one(connection).await.unwrap()
    }
}
