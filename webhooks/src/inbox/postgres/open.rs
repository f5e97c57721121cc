//! From a URL to a pool whose server keeps what it commits.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgConnection, PgPool};

use super::{PostgresOptions, schema};
use crate::inbox::InboxError;

/// A server that can be used.
pub(super) struct Opened {
    pub(super) pool: PgPool,
    pub(super) address: PgConnectOptions,
    pub(super) warnings: Vec<String>,
}

/// Why the inbox cannot be opened, and what to do about it.
#[derive(Debug)]
pub(crate) struct OpenError {
    why: InboxError,
    help: String,
}

/// How long a delivery waits for a connection: the provider waits with it.
const PATIENCE: Duration = Duration::from_secs(5);

/// How the server is to plan. Each statement touches a few rows by an index, however many there are, and one plan is
/// good for all of its executions. A plan made while the tables are empty, or made anew each time, would be neither.
/// <https://www.postgresql.org/docs/current/runtime-config-query.html>
const PLANNING: [(&str, &str); 5] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("jit", "off"),
];

/// Each statement has to see what was committed before it, even within a transaction: `move_up` would leave those behind
/// out of sight otherwise. Whatever is usual for this role or in this database.
const ISOLATION: (&str, &str) = ("default_transaction_isolation", "read committed");

/// Connects and prepares the tables.
pub(super) async fn open(options: &PostgresOptions) -> Result<Opened, OpenError> {
    // The error would quote the URL, and with it the password.
    let address = PgConnectOptions::from_str(options.url.reveal())
        .map_err(|_| OpenError::of("`webhooks.inbox.url` is not a PostgreSQL URL"))?
        .application_name("webhooks")
        .options(PLANNING)
        .options([ISOLATION]);
    let pool = PgPoolOptions::new()
        .max_connections(options.max_connections)
        .acquire_timeout(PATIENCE)
        // A connection that has died is noticed by its first statement, which is answered 503, and the next one is
        // new: asking each before its use would cost every delivery a round trip.
        .test_before_acquire(false)
        .connect_lazy_with(address.clone());
    let failed = |error: &sqlx::Error| {
        let (host, port, database) = (address.get_host(), address.get_port(), address.get_database());
        OpenError::of(format_args!(
            "PostgreSQL at {host}:{port}, database {}: {error}",
            database.unwrap_or(address.get_username())
        ))
    };
    let mut connection = pool.acquire().await.map_err(|error| failed(&error))?;
    let warnings = check(&mut connection).await.map_err(|error| failed(&error))??;
    schema::prepare(&mut connection, options.access).await.map_err(|error| failed(&error))??;
    drop(connection);
    Ok(Opened { pool, address, warnings })
}

/// Whether the server can be written, and keeps what it commits.
async fn check(connection: &mut PgConnection) -> sqlx::Result<Result<Vec<String>, OpenError>> {
    let sql = "SELECT pg_is_in_recovery(), current_setting('server_version_num')::integer, current_setting('fsync')";
    let (replica, version, fsync): (bool, i32, String) = sqlx::query_as(sql).fetch_one(connection).await?;
    if replica {
        return Ok(Err(OpenError::of("this PostgreSQL is a replica, which cannot be written")));
    }
    /// The oldest one with `AS MATERIALIZED`.
    const OLDEST: i32 = 120_000;
    if version < OLDEST {
        return Ok(Err(OpenError::of("this PostgreSQL is older than version 12")));
    }
    let mut warnings = Vec::new();
    if fsync != "on" {
        warnings.push(
            "this PostgreSQL has `fsync = off`: what was acknowledged is lost when its machine loses power"
                .to_owned(),
        );
    }
    Ok(Ok(warnings))
}

impl OpenError {
    pub(super) fn new(why: impl fmt::Display, help: String) -> Self {
        Self { why: InboxError::unavailable(why), help }
    }

    /// One that another server or database helps.
    pub(super) fn of(why: impl fmt::Display) -> Self {
        let help =
            "start it, or set `webhooks.inbox.url` to a database in which this role may create a schema";
        Self::new(why, help.to_owned())
    }

    /// What to do about it.
    pub(crate) fn help(&self) -> &str {
        &self.help
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.why.fmt(f)
    }
}
