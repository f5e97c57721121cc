//! The tables, in a schema of their own.

use sqlx::PgConnection;

use super::open::OpenError;
use super::{ordered, rights};
use crate::inbox::Access;

/// The version of the tables.
const VERSION: i32 = 1;

/// Held while the tables are made: processes that start together make them once. "wh" and the number of this format.
const MIGRATION_LOCK: i64 = 0x7768_3031;

/// `deliveries` are requests, `events` what happened (a batch has several), `runs` one listener's part in one event,
/// `failures` the attempts that came to nothing. `tokens` are those that signatures cover instead of bodies, each with
/// the digest of the body that it first came with.
///
/// A run's `state` is 0 pending, 1 done, 2 dead. `attempt` only grows and is the fence; `spent` is what counts against
/// `max_attempts` and begins afresh with a replay; `unsettled` is how many claims in a row were never settled; `held`
/// says that the last claim has not ended, or nobody has noticed yet that it has. `blocked` runs are behind others of their
/// order key, see `ordered`.
///
/// An event counts its own runs: two that settle at the same moment do not see each other's, but one of them is the
/// second to change this row, and so the last.
///
/// `runs_held` is what keeps two runs of one order key from going on at the same time, should two workers claim them in
/// the same moment. The indexes are partial, so that what is done costs nothing.
const TABLES: &str = "
CREATE TABLE webhooks.deliveries (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source text NOT NULL,
    delivery bytea NOT NULL,
    received_at bigint NOT NULL,
    signed boolean NOT NULL,
    secret_index integer,
    signed_at bigint,
    headers bytea,
    body bytea
);
-- Bodies that a gateway or a provider has compressed already are rare; JSON is not worth the time either.
ALTER TABLE webhooks.deliveries ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE TABLE webhooks.events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    delivery bigint NOT NULL,
    position integer NOT NULL,
    key text UNIQUE,
    event_id text,
    type text NOT NULL,
    payload_start bigint,
    payload_length bigint,
    payload bytea,
    retention bigint NOT NULL,
    pending integer NOT NULL,
    dead integer NOT NULL DEFAULT 0,
    strip_at bigint,
    stripped boolean NOT NULL DEFAULT false,
    purge_at bigint
);
CREATE INDEX events_delivery ON webhooks.events (delivery);
CREATE INDEX events_id ON webhooks.events (event_id) WHERE event_id IS NOT NULL;
CREATE INDEX events_strip ON webhooks.events (strip_at) WHERE strip_at IS NOT NULL;
CREATE INDEX events_purge ON webhooks.events (purge_at) WHERE purge_at IS NOT NULL;
CREATE TABLE webhooks.runs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event bigint NOT NULL,
    listener text NOT NULL,
    order_key bytea,
    state smallint NOT NULL DEFAULT 0,
    attempt integer NOT NULL DEFAULT 0,
    spent integer NOT NULL DEFAULT 0,
    unsettled integer NOT NULL DEFAULT 0,
    held boolean NOT NULL DEFAULT false,
    blocked boolean NOT NULL DEFAULT false,
    replay boolean NOT NULL DEFAULT false,
    due_at bigint NOT NULL,
    settled_at bigint,
    reason text,
    UNIQUE (event, listener)
);
CREATE INDEX runs_due ON webhooks.runs (listener, blocked, due_at, id) WHERE state = 0;
CREATE INDEX runs_suspect ON webhooks.runs (due_at) WHERE state = 0 AND unsettled > 0;
CREATE INDEX runs_ordered ON webhooks.runs (listener, order_key, event) WHERE state = 0 AND order_key IS NOT NULL;
CREATE INDEX runs_ordered_dead ON webhooks.runs (listener, order_key, event) WHERE state = 2 AND order_key IS NOT NULL;
CREATE UNIQUE INDEX runs_held ON webhooks.runs (listener, order_key) WHERE held AND order_key IS NOT NULL;
CREATE INDEX runs_dead ON webhooks.runs (event) WHERE state = 2;
CREATE TABLE webhooks.tokens (
    key text PRIMARY KEY,
    body text NOT NULL,
    until bigint NOT NULL
);
CREATE INDEX tokens_until ON webhooks.tokens (until);
CREATE TABLE webhooks.failures (
    run bigint NOT NULL,
    attempt integer NOT NULL,
    at bigint NOT NULL,
    error text NOT NULL,
    PRIMARY KEY (run, attempt)
);
-- A queue's rows die young: waiting for a fifth of a large table to be dead would be waiting for a slow one.
ALTER TABLE webhooks.runs SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
ALTER TABLE webhooks.events SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000);
ALTER TABLE webhooks.deliveries SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000);
";

/// Makes the tables where there are none; where there are some, looks whether they are those that this version knows, and
/// whether a worker may use them.
pub(super) async fn prepare(
    connection: &mut PgConnection,
    access: Access,
) -> sqlx::Result<Result<(), OpenError>> {
    use sqlx::Connection;
    let mut transaction = connection.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(MIGRATION_LOCK).execute(&mut *transaction).await?;
    // What an operator may not do, that command says.
    if access != Access::Operator
        && let Err(error) = rights::check(&mut transaction).await?
    {
        return Ok(Err(error));
    }
    let made: bool = sqlx::query_scalar("SELECT to_regclass('webhooks.inbox_version') IS NOT NULL")
        .fetch_one(&mut *transaction)
        .await?;
    if made {
        let version: i32 = sqlx::query_scalar("SELECT version FROM webhooks.inbox_version")
            .fetch_one(&mut *transaction)
            .await?;
        return Ok(if version == VERSION {
            Ok(())
        } else {
            Err(OpenError::of(format_args!(
                "its tables are of another version ({version}, known is {VERSION})"
            )))
        });
    }
    // Who may not create schemas may have been given this one; `IF NOT EXISTS` would be refused all the same.
    let is_given: bool = sqlx::query_scalar("SELECT to_regnamespace('webhooks') IS NOT NULL")
        .fetch_one(&mut *transaction)
        .await?;
    if !is_given {
        sqlx::raw_sql("CREATE SCHEMA webhooks").execute(&mut *transaction).await?;
    }
    for sql in [TABLES, ordered::MOVE_UP] {
        sqlx::raw_sql(sql).execute(&mut *transaction).await?;
    }
    sqlx::raw_sql("CREATE TABLE webhooks.inbox_version (version integer NOT NULL)")
        .execute(&mut *transaction)
        .await?;
    sqlx::query("INSERT INTO webhooks.inbox_version VALUES ($1)")
        .bind(VERSION)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(Ok(()))
}
