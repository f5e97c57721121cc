//! Why the server did not do what it was asked, and whether it may have done it all the same.

use std::io;

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::store::StoreError;

/// A question without an answer.
pub(super) struct Failure {
    pub(super) error: RedisError,
    /// The question was sent, and nothing is known of what became of it.
    pub(super) may_be_done: bool,
}

impl Failure {
    pub(super) fn before_asking(error: RedisError) -> Self {
        Self { error, may_be_done: false }
    }

    pub(super) fn after_asking(error: RedisError) -> Self {
        // The server itself said no.
        let refused = matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension);
        Self { error, may_be_done: !refused }
    }
}

impl From<Failure> for StoreError {
    fn from(Failure { error, .. }: Failure) -> Self {
        if is_out_of_memory(&error) { Self::Full } else { Self::unavailable(error) }
    }
}

/// Whether another connection may lead to a server that takes writes: after a failover the address is another's, and
/// the old one, a replica now, keeps its connections.
pub(super) fn shows_wrong_server(error: &RedisError) -> bool {
    ["READONLY", "MASTERDOWN", "NOAUTH"].iter().any(|code| says(error, code))
}

/// Whether the server does not know a command in this form.
pub(super) fn is_not_understood(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::ResponseError)
}

/// Whether the server has all the memory that it may.
pub(super) fn is_out_of_memory(error: &RedisError) -> bool {
    says(error, "OOM")
}

pub(super) fn timed_out() -> RedisError {
    io::Error::new(io::ErrorKind::TimedOut, "no answer in time").into()
}

/// Redis 6.2 wraps what a script's command was answered into an error of its own.
fn says(error: &RedisError, code: &str) -> bool {
    error.code() == Some(code) || error.detail().is_some_and(|detail| detail.contains(&format!("-{code} ")))
}
