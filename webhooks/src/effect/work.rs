//! One run's transaction.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use sqlx::{AssertSqlSafe, Database, PgPool, Postgres, Transaction};

use super::transient;
use crate::key::EventKey;

/// How long a statement waits for a lock: mostly that of another attempt at the same event, which is under way.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
/// How much longer than its run a transaction may stand idle before the server ends it: then nobody is there any more.
const GRACE: Duration = Duration::from_secs(5);

/// Marks an event as handled by a listener, unless it is. The documentation shows it to those who do without a `Tx`.
pub(super) const ONCE: &str = "\
INSERT INTO webhook_effects (event, listener, source, event_id) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING";

/// One run's transaction, in which a row says that the run has been. Dropped before its end, it is rolled back.
pub(crate) struct Work<DB: Database> {
    transaction: Transaction<'static, DB>,
    /// PostgreSQL's number of it.
    number: i64,
}

/// Which listener handles which event.
pub(crate) struct Mark<'a> {
    pub(crate) event: &'a EventKey,
    /// The provider's, for people.
    pub(crate) event_id: Option<&'a str>,
    pub(crate) listener: &'a str,
}

/// Why a commit did not succeed, or is not known to have.
#[derive(Debug)]
pub(crate) enum CommitError {
    /// The transaction came to nothing.
    Failed(sqlx::Error),
    /// The connection was lost on the way: it may have been committed.
    Unknown(sqlx::Error),
    /// The listener committed it, or rolled it back, by a statement of its own.
    NotOurs,
}

impl Work<Postgres> {
    /// Begins, and marks the event as handled by the listener. `None`: it is marked already, by an attempt that was
    /// committed. One that is under way is waited for.
    pub(crate) async fn begin(
        pool: &PgPool,
        mark: Mark<'_>,
        timeout: Duration,
    ) -> Result<Option<Self>, sqlx::Error> {
        // Only numbers are put in. A server whose commits do not wait for the disk could lose what was answered as done.
        let sql = format!(
            "BEGIN; SET LOCAL lock_timeout = {}; SET LOCAL idle_in_transaction_session_timeout = {};
             SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'",
            milliseconds(LOCK_TIMEOUT),
            milliseconds(timeout.saturating_add(GRACE))
        );
        let mut transaction = begin_whole(pool.clone(), sql).await?;
        let marked = sqlx::query_scalar(AssertSqlSafe(format!("{ONCE} RETURNING txid_current()")))
            .bind(mark.event.to_string())
            .bind(mark.listener)
            .bind(mark.event.source().as_str())
            // PostgreSQL's text cannot hold U+0000, and JSON can. What tells events apart is the key.
            .bind(mark.event_id.map(|id| id.replace('\0', "\u{FFFD}")))
            .fetch_optional(&mut *transaction)
            .await?;
        match marked {
            Some(number) => Ok(Some(Self { transaction, number })),
            None => {
                transaction.rollback().await?;
                Ok(None)
            }
        }
    }

    /// Commits, if it is still the transaction that was begun, and sound: the server takes the COMMIT of one that had
    /// failed for a ROLLBACK, and says nothing.
    pub(crate) async fn commit(mut self) -> Result<(), CommitError> {
        let ours = sqlx::query_scalar("SELECT txid_current_if_assigned() = $1").bind(self.number);
        let ours: Option<bool> = ours.fetch_one(&mut *self.transaction).await.map_err(CommitError::Failed)?;
        if ours != Some(true) {
            return Err(CommitError::NotOurs);
        }
        self.transaction.commit().await.map_err(|error| match transient::is_of_connection(&error) {
            true => CommitError::Unknown(error),
            false => CommitError::Failed(error),
        })
    }

    /// Rolls back now: dropped, it would be a moment later, and another attempt would have to wait.
    pub(crate) async fn roll_back(self) {
        if let Err(error) = self.transaction.rollback().await {
            tracing::debug!(%error, "not rolled back by us: the server does it when the connection is closed");
        }
    }
}

impl<DB: Database> Deref for Work<DB> {
    type Target = DB::Connection;

    fn deref(&self) -> &DB::Connection {
        &self.transaction
    }
}

impl<DB: Database> DerefMut for Work<DB> {
    fn deref_mut(&mut self) -> &mut DB::Connection {
        &mut self.transaction
    }
}

impl fmt::Display for CommitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Failed(_) => "the listener returned Ok, but its transaction cannot be committed",
            Self::Unknown(_) => {
                "the connection was lost while the listener's transaction was being committed"
            }
            Self::NotOurs => {
                "the listener ended the transaction of its `Tx` itself: it must not, for it is committed \
                              when it returns Ok"
            }
        })
    }
}

impl std::error::Error for CommitError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Failed(error) | Self::Unknown(error) => Some(error),
            Self::NotOurs => None,
        }
    }
}

/// Begins in a task of its own, which is not cut off with the run: sqlx would not know that a transaction was begun, and
/// whoever had the connection next would write into it, to see it rolled back.
async fn begin_whole(pool: PgPool, sql: String) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    let begun = tokio::spawn(async move { pool.begin_with(AssertSqlSafe(sql)).await });
    begun.await.unwrap_or_else(|error| Err(sqlx::Error::Io(std::io::Error::other(error))))
}

/// As PostgreSQL takes them: up to 24 days, and never 0, which would be no limit.
fn milliseconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX).max(1)
}
