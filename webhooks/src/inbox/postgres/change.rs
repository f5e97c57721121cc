//! What operators change, a part at a time: whoever settles or claims the same runs waits meanwhile.

use sqlx::{Connection, PgConnection, Postgres, QueryBuilder, Row, Transaction};

use super::query::{RUNS, select};
use super::time::now;
use super::{Options, ordered};
use crate::inbox::record::{Replayed, Selection};

/// How many runs are changed together.
const PART: usize = 500;

/// One that runs just now is left alone: it would run twice at a time.
const AFRESH: &str = concat!(
    "UPDATE webhooks.runs SET state = 0, spent = 0, unsettled = 0, blocked = false, replay = true, settled_at = NULL, reason = NULL,
     due_at = ",
    now!(),
    " WHERE id = ANY($2) AND NOT (state = 0 AND held)"
);

/// An event's own count of its runs. What still pends keeps it; what does not, begins to age.
const RECOUNT: &str = concat!(
    "UPDATE webhooks.events e SET pending = now.pending, dead = now.dead,
     strip_at = CASE WHEN now.pending + now.dead = 0 AND NOT e.stripped THEN coalesce(e.strip_at, ",
    now!(),
    " + $3) END,
     purge_at = CASE WHEN now.pending = 0 THEN coalesce(e.purge_at, ",
    now!(),
    " + greatest(e.retention, CASE WHEN now.dead = 0 THEN $4 ELSE $5 END)) END
     FROM (SELECT chosen.id,
                  (SELECT count(*) FROM webhooks.runs r WHERE r.event = chosen.id AND r.state = 0)::integer AS pending,
                  (SELECT count(*) FROM webhooks.runs r WHERE r.event = chosen.id AND r.state = 2)::integer AS dead
           FROM unnest($2::bigint[]) AS chosen (id)) AS now
     WHERE e.id = now.id"
);

/// A selected run and its event.
struct Selected {
    run: i64,
    event: i64,
    has_body: bool,
}

/// Begins the selected runs afresh.
pub(super) async fn replay(
    connection: &mut PgConnection,
    selection: &Selection,
    turned: i64,
    options: &Options,
) -> sqlx::Result<Replayed> {
    let mut replayed = Replayed::default();
    let mut parts = Parts::new(selection);
    loop {
        let mut transaction = connection.begin().await?;
        let Some(part) = parts.next(&mut transaction).await? else { return Ok(replayed) };
        let (whole, bare): (Vec<_>, Vec<_>) = part.into_iter().partition(|it| it.has_body);
        replayed.without_body += bare.len() as u64;
        let runs: Vec<i64> = whole.iter().map(|it| it.run).collect();
        let changed = sqlx::query(AFRESH).bind(turned).bind(&runs).execute(&mut *transaction).await?;
        replayed.runs += changed.rows_affected();
        recount(&mut transaction, &whole, turned, options).await?;
        transaction.commit().await?;
    }
}

/// Drops the selected runs, and the events that are left without one. How many runs.
pub(super) async fn forget(
    connection: &mut PgConnection,
    selection: &Selection,
    turned: i64,
    options: &Options,
) -> sqlx::Result<u64> {
    let mut forgotten = 0;
    let mut parts = Parts::new(selection);
    loop {
        let mut transaction = connection.begin().await?;
        let Some(part) = parts.next(&mut transaction).await? else { return Ok(forgotten) };
        let runs: Vec<i64> = part.iter().map(|it| it.run).collect();
        let sql = "DELETE FROM webhooks.failures WHERE run = ANY($1)";
        sqlx::query(sql).bind(&runs).execute(&mut *transaction).await?;
        let sql = "DELETE FROM webhooks.runs WHERE id = ANY($1) RETURNING listener, order_key";
        let lines: Vec<(String, Option<Vec<u8>>)> =
            sqlx::query_as(sql).bind(&runs).fetch_all(&mut *transaction).await?;
        ordered::move_up(&mut transaction, lines).await?;
        forgotten += runs.len() as u64;
        recount(&mut transaction, &part, turned, options).await?;
        let events: Vec<i64> = part.iter().map(|it| it.event).collect();
        let sql = "WITH gone AS (
                       DELETE FROM webhooks.events e WHERE e.id = ANY($1)
                         AND NOT EXISTS (SELECT FROM webhooks.runs WHERE event = e.id)
                       RETURNING id, delivery)
                   DELETE FROM webhooks.deliveries d WHERE d.id IN (SELECT delivery FROM gone)
                     AND NOT EXISTS (SELECT FROM webhooks.events e
                                     WHERE e.delivery = d.id AND e.id NOT IN (SELECT id FROM gone))";
        sqlx::query(sql).bind(&events).execute(&mut *transaction).await?;
        transaction.commit().await?;
    }
}

/// An event that has no pending run, and all that belongs to it.
const FORGET_EVENT: &str = "WITH gone AS (
    DELETE FROM webhooks.events WHERE key = $1 AND pending = 0 RETURNING id, delivery
), runs_gone AS (
    DELETE FROM webhooks.runs WHERE event IN (SELECT id FROM gone) RETURNING id, webhooks.move_up(listener, order_key)
), failures_gone AS (
    DELETE FROM webhooks.failures WHERE run IN (SELECT id FROM runs_gone)
), deliveries_gone AS (
    DELETE FROM webhooks.deliveries d WHERE d.id IN (SELECT delivery FROM gone)
      AND NOT EXISTS (SELECT FROM webhooks.events e WHERE e.delivery = d.id AND e.id NOT IN (SELECT id FROM gone))
)
SELECT count(*) FROM gone";

/// Forgets an event that has no pending run. `false`: there is none of this key.
pub(super) async fn forget_event(connection: &mut PgConnection, key: &str) -> sqlx::Result<bool> {
    let gone: i64 = sqlx::query_scalar(FORGET_EVENT).bind(key).fetch_one(connection).await?;
    Ok(gone > 0)
}

/// The selected runs, part by part, the latest first.
struct Parts<'a> {
    selection: &'a Selection,
    /// How many may still come.
    left: usize,
    /// Those from here on have been.
    below: i64,
}

impl<'a> Parts<'a> {
    fn new(selection: &'a Selection) -> Self {
        let left = selection.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        Self { selection, left, below: i64::MAX }
    }

    /// The next part, locked, with its events: what is decided of it holds until the commit.
    async fn next(
        &mut self,
        transaction: &mut Transaction<'_, Postgres>,
    ) -> sqlx::Result<Option<Vec<Selected>>> {
        let limit = PART.min(self.left);
        if limit == 0 {
            return Ok(None);
        }
        let mut query = QueryBuilder::new("SELECT r.id, r.event, d.body IS NOT NULL AND NOT e.stripped");
        query.push(RUNS);
        select(&mut query, self.selection);
        query.push(" AND r.id < ").push_bind(self.below);
        query.push(" ORDER BY r.id DESC LIMIT ").push_bind(limit as i64).push(" FOR UPDATE OF r, e");
        let rows = query.build().fetch_all(&mut **transaction).await?;
        let Some(last) = rows.last() else { return Ok(None) };
        self.below = last.try_get(0)?;
        self.left -= rows.len();
        let read = |row: &sqlx::postgres::PgRow| {
            Ok(Selected { run: row.try_get(0)?, event: row.try_get(1)?, has_body: row.try_get(2)? })
        };
        rows.iter().map(read).collect::<sqlx::Result<_>>().map(Some)
    }
}

async fn recount(
    transaction: &mut Transaction<'_, Postgres>,
    part: &[Selected],
    turned: i64,
    options: &Options,
) -> sqlx::Result<()> {
    let mut events: Vec<i64> = part.iter().map(|it| it.event).collect();
    events.sort_unstable();
    events.dedup();
    sqlx::query(RECOUNT)
        .bind(turned)
        .bind(&events)
        .bind(options.keep_body)
        .bind(options.keep_done)
        .bind(options.keep_dead)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}
