//! Asks the server: within bounds, and again where it wishes so.

use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::{PgConnection, PgPool};

use crate::inbox::InboxError;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The server, or the way to it, says why.
    Failed(sqlx::Error),
    /// The server said nothing in time.
    Silent,
}

impl Trouble {
    /// Whether others would wait in vain too.
    pub(super) fn is_silence(&self) -> bool {
        matches!(self, Self::Silent | Self::Failed(sqlx::Error::PoolTimedOut))
    }
}

/// Does something on a connection of the pool.
pub(super) async fn ask<T: Send>(
    pool: &PgPool,
    work: impl for<'c> Fn(&'c mut PgConnection) -> BoxFuture<'c, sqlx::Result<T>> + Send + Sync,
) -> Result<T, Trouble> {
    /// A server that does not answer for so long is as good as none: the provider waits.
    const PATIENCE: Duration = Duration::from_secs(5);
    ask_within(pool, PATIENCE, work).await
}

/// The same, with a patience of its own.
pub(super) async fn ask_within<T: Send>(
    pool: &PgPool,
    patience: Duration,
    work: impl for<'c> Fn(&'c mut PgConnection) -> BoxFuture<'c, sqlx::Result<T>> + Send + Sync,
) -> Result<T, Trouble> {
    const TRIES: u32 = 4;
    let mut tries = 0;
    loop {
        let mut connection = pool.acquire().await.map_err(Trouble::Failed)?;
        let answer = tokio::time::timeout(patience, work(&mut connection)).await;
        tries += 1;
        match answer {
            Ok(Ok(done)) => return Ok(done),
            // Two statements wanted the same rows in a different order; this one was undone.
            Ok(Err(error)) if is_deadlock(&error) && tries < TRIES => {}
            Ok(Err(error)) => return Err(Trouble::Failed(error)),
            Err(_) => {
                // What it was in the middle of, nobody knows.
                connection.close_on_drop();
                return Err(Trouble::Silent);
            }
        }
    }
}

/// What an error means to the rest.
pub(super) fn unavailable(error: &sqlx::Error) -> InboxError {
    /// `disk_full`.
    const DISK_FULL: &str = "53100";
    if code(error).is_some_and(|code| code == DISK_FULL) {
        return InboxError::Full;
    }
    InboxError::unavailable(format_args!("PostgreSQL: {error}"))
}

impl From<Trouble> for InboxError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Failed(error) => unavailable(&error),
            Trouble::Silent => Self::unavailable("PostgreSQL did not answer in time"),
        }
    }
}

/// Whether the server undid the statement, for no fault of its own.
fn is_deadlock(error: &sqlx::Error) -> bool {
    /// `serialization_failure`, `deadlock_detected`: <https://www.postgresql.org/docs/current/errcodes-appendix.html>
    const UNDONE: [&str; 2] = ["40001", "40P01"];
    code(error).is_some_and(|code| UNDONE.contains(&&*code))
}

/// The SQLSTATE of an error that the server reports.
pub(super) fn code(error: &sqlx::Error) -> Option<std::borrow::Cow<'_, str>> {
    error.as_database_error().and_then(|error| error.code())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Fleet, parcel};
    use crate::inbox::{Inbox as _, InboxError, Put};

    /// What the server says where its disk is full: a provider is told to come again, and may.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_full_disk_is_a_full_inbox() {
        let fleet = Fleet::new();
        let inbox = fleet.process().await;
        fleet.query(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
                 'BEGIN RAISE ''could not extend file'' USING ERRCODE = ''53100''; END';
             CREATE TRIGGER full_disk BEFORE INSERT ON webhooks.runs
                 FOR EACH ROW EXECUTE FUNCTION full_disk()",
        );
        let put = async || inbox.put(parcel(&["1".to_owned()], &["a"], None)).await;
        assert!(matches!(put().await, Err(InboxError::Full)));
        let rows =
            "SELECT (SELECT count(*) FROM webhooks.deliveries) + (SELECT count(*) FROM webhooks.events)";
        assert_eq!(fleet.query(rows), "0");
        fleet.query("DROP TRIGGER full_disk ON webhooks.runs");
        assert_eq!(put().await.unwrap(), [Put::Stored]);
    }
}
