//! What can go wrong before anything is sent.

use std::fmt;

use crate::problem::Problem;

/// What the kit returns: [`Error`] says what a test cannot have, and why.
pub type Result<T = (), E = Error> = std::result::Result<T, E>;

/// Why a delivery cannot be made, a client not be started, or a trial not be held.
///
/// What becomes of a delivery is never an error: that is what a [`Report`](super::Report) is for. `Debug` prints the same
/// as `Display`, so that a test that returns it shows it as written.
pub struct Error {
    what: String,
    help: String,
}

impl Error {
    pub(super) fn new(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { what: what.into(), help: help.into() }
    }
}

impl From<Problem> for Error {
    fn from(Problem { what, help }: Problem) -> Self {
        Self { what, help }
    }
}

impl From<crate::Error> for Error {
    fn from(error: crate::Error) -> Self {
        Self { what: error.to_string(), help: String::new() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if self.help.is_empty() { Ok(()) } else { write!(f, "\n    help: {}", self.help) }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}
