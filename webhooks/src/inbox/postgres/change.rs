//! What operators change, a part at a time: whoever settles or claims the same runs waits meanwhile.

use sqlx::{Connection, PgConnection, Postgres, QueryBuilder, Transaction};

use super::query::{RUNS, select};
use super::time::now;
use super::{Options, deliveries, ordered};
use crate::inbox::record::{Replayed, Selection};

/// How many runs are changed together.
const PART: usize = 500;

/// One that runs just now is left alone: it would run twice at a time.
const AFRESH: &str =
    "UPDATE webhooks.runs SET state = 0, spent = 0, unsettled = 0, blocked = false, replay = true, settled_at = NULL, reason = NULL,
     due_at = 0
     WHERE id = ANY($1) AND NOT (state = 0 AND held)";

/// An event's own count of its runs. What still pends keeps it; what does not, begins to age.
const RECOUNT: &str = concat!(
    "UPDATE webhooks.events e SET pending = now.pending, dead = now.dead,
     strip_at = CASE WHEN now.pending + now.dead = 0 AND NOT e.stripped THEN coalesce(e.strip_at, ",
    now!(),
    " + $3) END,
     purge_at = CASE WHEN now.pending = 0 THEN coalesce(e.purge_at, ",
    now!(),
    " + greatest(e.retention, CASE WHEN now.dead = 0 THEN $4 ELSE $5 END)) END
     FROM (SELECT chosen.id, counted.pending::integer, counted.dead::integer
           FROM unnest($2::bigint[]) AS chosen (id) CROSS JOIN LATERAL (
               SELECT count(*) FILTER (WHERE r.state = 0) AS pending, count(*) FILTER (WHERE r.state = 2) AS dead
               FROM webhooks.runs r WHERE r.event = chosen.id) AS counted) AS now
     WHERE e.id = now.id"
);

/// A selected run and its event.
struct Selected {
    run: i64,
    event: i64,
    has_body: bool,
}

/// What of a selection is still to be changed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rest {
    /// How many runs at most.
    left: usize,
    /// Those from here on have been.
    below: i64,
}

impl Rest {
    /// All of it.
    pub(super) fn of(selection: &Selection) -> Self {
        let left = selection.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        Self { left, below: i64::MAX }
    }
}

/// Begins the next part of the selected runs afresh. What is left then.
pub(super) async fn replay(
    connection: &mut PgConnection,
    selection: &Selection,
    rest: Rest,
    turned: i64,
    options: &Options,
) -> sqlx::Result<(Replayed, Option<Rest>)> {
    let mut transaction = connection.begin().await?;
    let (part, rest) = next(&mut transaction, selection, rest).await?;
    let (whole, bare): (Vec<_>, Vec<_>) = part.into_iter().partition(|it| it.has_body);
    let runs: Vec<i64> = whole.iter().map(|it| it.run).collect();
    let changed = sqlx::query(AFRESH).bind(&runs).execute(&mut *transaction).await?;
    recount(&mut transaction, &whole, turned, options).await?;
    transaction.commit().await?;
    Ok((Replayed { runs: changed.rows_affected(), without_body: bare.len() as u64 }, rest))
}

/// Drops the next part of the selected runs, and the events that are left without one. How many runs, and what is left
/// then.
pub(super) async fn discard(
    connection: &mut PgConnection,
    selection: &Selection,
    rest: Rest,
    turned: i64,
    options: &Options,
) -> sqlx::Result<(u64, Option<Rest>)> {
    let mut transaction = connection.begin().await?;
    let (part, rest) = next(&mut transaction, selection, rest).await?;
    let runs: Vec<i64> = part.iter().map(|it| it.run).collect();
    let sql = "DELETE FROM webhooks.failures WHERE run = ANY($1)";
    sqlx::query(sql).bind(&runs).execute(&mut *transaction).await?;
    let sql = "DELETE FROM webhooks.runs WHERE id = ANY($1) RETURNING listener, order_key";
    let lines = sqlx::query_as(sql).bind(&runs).fetch_all(&mut *transaction).await?;
    ordered::move_up(&mut transaction, lines).await?;
    recount(&mut transaction, &part, turned, options).await?;
    let events: Vec<i64> = part.iter().map(|it| it.event).collect();
    let sql = "DELETE FROM webhooks.events e WHERE e.id = ANY($1)
                 AND NOT EXISTS (SELECT FROM webhooks.runs WHERE event = e.id)
               RETURNING delivery";
    let left = sqlx::query_scalar(sql).bind(&events).fetch_all(&mut *transaction).await?;
    deliveries::tidy(&mut transaction, left).await?;
    transaction.commit().await?;
    Ok((runs.len() as u64, rest))
}

/// An event that has no pending run, and all that belongs to it.
const FORGET_EVENT: &str = "WITH gone AS (
    DELETE FROM webhooks.events WHERE key = $1 AND pending = 0 RETURNING id, delivery
), runs_gone AS (
    DELETE FROM webhooks.runs WHERE event IN (SELECT id FROM gone) RETURNING id, webhooks.move_up(listener, order_key)
), failures_gone AS (
    DELETE FROM webhooks.failures WHERE run IN (SELECT id FROM runs_gone)
)
SELECT delivery FROM gone";

/// Forgets an event that has no pending run. `false`: there is none of this key.
pub(super) async fn forget_event(connection: &mut PgConnection, key: &str) -> sqlx::Result<bool> {
    let mut transaction = connection.begin().await?;
    let left: Vec<i64> = sqlx::query_scalar(FORGET_EVENT).bind(key).fetch_all(&mut *transaction).await?;
    let is_gone = !left.is_empty();
    deliveries::tidy(&mut transaction, left).await?;
    transaction.commit().await?;
    Ok(is_gone)
}

/// The next part of the selected runs, the latest first, locked with its events: what is decided of it holds until the
/// commit. Locked in the order in which runs that share an order key end, or they would wait for each other.
async fn next(
    transaction: &mut Transaction<'_, Postgres>,
    selection: &Selection,
    rest: Rest,
) -> sqlx::Result<(Vec<Selected>, Option<Rest>)> {
    let mut query = QueryBuilder::new("SELECT r.id");
    query.push(RUNS);
    select(&mut query, selection);
    query.push(" AND r.id < ").push_bind(rest.below);
    query.push(" ORDER BY r.id DESC LIMIT ").push_bind(PART.min(rest.left) as i64);
    let chosen: Vec<i64> = query.build_query_scalar().fetch_all(&mut **transaction).await?;
    let Some(&below) = chosen.last() else { return Ok((Vec::new(), None)) };
    // Whether they are still selected, is asked again.
    let mut query = QueryBuilder::new("SELECT r.id, r.event, d.body IS NOT NULL AND NOT e.stripped");
    query.push(RUNS);
    select(&mut query, selection);
    query.push(" AND r.id = ANY(").push_bind(chosen).push(") ORDER BY r.id FOR UPDATE OF r, e");
    let rows: Vec<(i64, i64, bool)> = query.build_query_as().fetch_all(&mut **transaction).await?;
    let part = rows.into_iter().map(|(run, event, has_body)| Selected { run, event, has_body });
    let part: Vec<_> = part.collect();
    let left = rest.left - part.len();
    Ok((part, Some(Rest { left, below })))
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
