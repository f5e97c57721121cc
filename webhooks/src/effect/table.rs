//! The table of what has been done: made at startup, and checked.

use std::fmt;

use sqlx::{PgPool, Row};

/// What makes the table. The documentation shows it to those who make it themselves.
pub(crate) const SQL: &str = include_str!("table.sql");
/// The version that this build knows, in the table's comment.
const VERSION: &str = "webhooks 1";
/// Processes that start at the same time make it one after the other: "webhooks", as a number.
const LOCK: i64 = i64::from_be_bytes(*b"webhooks");

/// Why the table cannot be used.
#[derive(Debug)]
pub(crate) enum TableError {
    /// The database does not answer, or not as it should.
    Unusable(sqlx::Error),
    /// This role may not make it: why, and what another one has to do.
    NotAllowed(sqlx::Error, String),
    /// It is there, and will not do: why, and what helps.
    Unfit(&'static str, String),
}

/// Makes the table, unless it is there, and looks whether it will do.
pub(crate) async fn prepare(pool: &PgPool) -> Result<(), TableError> {
    let look = "SELECT to_regclass('webhook_effects') IS NOT NULL, quote_ident(current_user)";
    let (exists, role): (bool, String) = sqlx::query_as(look).fetch_one(pool).await?;
    let grant = format!("GRANT SELECT, INSERT, DELETE ON webhook_effects TO {role};");
    if !exists {
        make(pool, &grant).await?;
    }
    check(pool, grant).await
}

async fn make(pool: &PgPool, grant: &str) -> Result<(), TableError> {
    let mut transaction = pool.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *transaction).await?;
    // Whoever held the lock may have made it: the statements change nothing then.
    sqlx::raw_sql(SQL).execute(&mut *transaction).await.map_err(|error| match code(&error).as_deref() {
        // insufficient_privilege, invalid_schema_name, read_only_sql_transaction
        Some("42501" | "3F000" | "25006") => TableError::NotAllowed(error, format!("{SQL}{grant}")),
        _ => TableError::Unusable(error),
    })?;
    Ok(transaction.commit().await?)
}

/// One look at everything that would otherwise be a surprise at the first delivery.
async fn check(pool: &PgPool, grant: String) -> Result<(), TableError> {
    let row = sqlx::query(
        "SELECT coalesce(obj_description(t, 'pg_class'), ''),
            (SELECT count(*) FROM pg_attribute WHERE attrelid = t AND NOT attisdropped
             AND attname IN ('event', 'listener', 'source', 'event_id', 'committed_at')),
            EXISTS (SELECT FROM pg_index i WHERE i.indrelid = t AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
             AND (SELECT array_agg(a.attname::text ORDER BY a.attname::text) FROM pg_attribute a
                  WHERE a.attrelid = t AND a.attnum = ANY (i.indkey)) = ARRAY['event', 'listener']),
            has_table_privilege(t, 'SELECT') AND has_table_privilege(t, 'INSERT') AND has_table_privilege(t, 'DELETE'),
            current_setting('transaction_read_only') = 'off'
         FROM (SELECT to_regclass('webhook_effects')::oid AS t) AS it",
    )
    .fetch_one(pool)
    .await?;
    let (comment, columns): (String, i64) = (row.try_get(0)?, row.try_get(1)?);
    let (unique, allowed, writable): (bool, bool, bool) = (row.try_get(2)?, row.try_get(3)?, row.try_get(4)?);
    // Without a comment, it was made by hand.
    if comment.starts_with("webhooks ") && comment != VERSION {
        let help = "update `webhooks` in this service";
        return Err(TableError::Unfit("is of a later version", help.to_owned()));
    }
    if columns < 5 || !unique {
        return Err(TableError::Unfit("is not as it has to be", format!("this makes it:\n{SQL}")));
    }
    if !allowed {
        return Err(TableError::Unfit("may not be used by the role of the `PgPool`", grant));
    }
    if !writable {
        let help = "give the `PgPool` the address of the primary server";
        return Err(TableError::Unfit("cannot be written: the connection is read-only", help.to_owned()));
    }
    Ok(())
}

fn code(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

impl TableError {
    /// What to do about it.
    pub(crate) fn help(&self) -> String {
        match self {
            Self::Unusable(_) => "start the database, or see what the `PgPool` connects to".to_owned(),
            Self::NotAllowed(_, sql) => format!("have a role that may make it:\n{sql}"),
            Self::Unfit(_, help) => help.clone(),
        }
    }
}

impl From<sqlx::Error> for TableError {
    fn from(error: sqlx::Error) -> Self {
        Self::Unusable(error)
    }
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unusable(error) => write!(f, "the `PgPool` cannot be used: {error}"),
            Self::NotAllowed(error, _) => {
                write!(f, "the table `webhook_effects` is not there, and cannot be made: {error}")
            }
            Self::Unfit(why, _) => write!(f, "the table `webhook_effects` {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_shows_what_is_run() {
        let page = include_str!("../docs/effects.md");
        assert!(page.contains(SQL));
        assert!(page.contains(crate::effect::work::ONCE));
    }
}
