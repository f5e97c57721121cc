//! Errors that pass by themselves: what failed may well succeed a moment later, and nobody is to blame.

use std::error::Error;

use sqlx::error::DatabaseError;

use super::work::CommitError;

/// Two transactions were in each other's way: serialization_failure, deadlock_detected, lock_not_available.
const IN_THE_WAY: [&str; 3] = ["40001", "40P01", "55P03"];

/// Whether somewhere in the chain of causes two transactions were in each other's way, or a commit's outcome is not
/// known: the next try finds out.
pub(crate) fn is_transient(error: &(dyn Error + 'static)) -> bool {
    let mut link = Some(error);
    while let Some(error) = link {
        let code = match (error.downcast_ref(), error.downcast_ref::<Box<dyn DatabaseError>>()) {
            (Some(sqlx::Error::Database(error)), _) | (_, Some(error)) => error.code(),
            _ => None,
        };
        let unknown = matches!(error.downcast_ref(), Some(CommitError::Unknown(_)));
        if unknown || code.is_some_and(|code| IN_THE_WAY.contains(&&*code)) {
            return true;
        }
        link = error.source();
    }
    false
}

/// Whether the connection failed, rather than what was asked for: the server may have done it or not.
pub(super) fn is_of_connection(error: &sqlx::Error) -> bool {
    match error.as_database_error().map(|it| it.code()) {
        // connection_exception, and a server that shuts down or has crashed.
        Some(Some(code)) => code.starts_with("08") || code.starts_with("57P"),
        _ => true,
    }
}
