//! What can fail: a listener ([`Failure`]), or starting and serving ([`Error`]).

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use crate::problem::Problem;

type BoxError = Box<dyn StdError + Send + Sync>;

/// What a listener returns. Any error converts with `?` and means *try again later*.
pub type Result<T = (), E = Failure> = std::result::Result<T, E>;

/// A listener's failure, and what should follow from it.
///
/// Every error type converts with `?`, strings, `anyhow` and `eyre` included, and means that the delivery is to be
/// tried again. `Failure` is deliberately not a [`std::error::Error`] itself: that is what lets all others convert.
///
/// ```
/// use std::time::Duration;
/// use webhooks::{Failure, OrPermanent};
///
/// fn charge(amount: &str) -> webhooks::Result {
///     let amount: u64 = amount.parse().or_permanent()?; // no retry will make this a number
///     if amount > 1_000 {
///         return Err(Failure::retry_after(Duration::from_secs(60), "the ledger is closed"));
///     }
///     Ok(())
/// }
///
/// assert!(charge("ten").unwrap_err().is_permanent());
/// assert_eq!(charge("2000").unwrap_err().delay(), Some(Duration::from_secs(60)));
/// ```
pub struct Failure {
    error: BoxError,
    remedy: Remedy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remedy {
    Retry(Option<Duration>),
    None,
}

impl Failure {
    /// A failure that no repetition will mend: the event is dead for this listener, and says so in the log.
    pub fn permanent(error: impl Into<BoxError>) -> Self {
        Self { error: error.into(), remedy: Remedy::None }
    }

    /// A failure to be tried again, not before `delay` has passed.
    pub fn retry_after(delay: Duration, error: impl Into<BoxError>) -> Self {
        Self { error: error.into(), remedy: Remedy::Retry(Some(delay)) }
    }

    /// Whether trying again is pointless.
    pub fn is_permanent(&self) -> bool {
        self.remedy == Remedy::None
    }

    /// The delay that the listener asked for.
    pub fn delay(&self) -> Option<Duration> {
        match self.remedy {
            Remedy::Retry(delay) => delay,
            Remedy::None => None,
        }
    }

    /// The error itself.
    pub fn error(&self) -> &(dyn StdError + Send + Sync + 'static) {
        &*self.error
    }
}

impl<E: Into<BoxError>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = error.into();
        let remedy = if holds_permanent(&*error) { Remedy::None } else { Remedy::Retry(None) };
        Self { error, remedy }
    }
}

/// The whole chain, cause by cause.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.error)?;
        let mut cause = self.error.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Marks an error as permanent inside code that knows nothing of listeners: found anywhere in the chain of sources,
/// it makes the [`Failure`] permanent.
#[derive(Debug)]
pub struct Permanent(BoxError);

impl Permanent {
    /// Wraps the error that no repetition will mend.
    pub fn new(error: impl Into<BoxError>) -> Self {
        Self(error.into())
    }
}

impl fmt::Display for Permanent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("permanent")
    }
}

impl StdError for Permanent {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.0)
    }
}

/// `.or_permanent()?` on a `Result`: its error is one that no repetition will mend.
pub trait OrPermanent<T> {
    /// Turns the error into a permanent [`Failure`].
    fn or_permanent(self) -> Result<T>;
}

impl<T, E: Into<BoxError>> OrPermanent<T> for std::result::Result<T, E> {
    fn or_permanent(self) -> Result<T> {
        self.map_err(Failure::permanent)
    }
}

fn holds_permanent(error: &(dyn StdError + 'static)) -> bool {
    let mut link = Some(error);
    while let Some(error) = link {
        // An `io::Error` is its inner error's stand-in: its source is the inner one's, and skips the inner one itself.
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if error.is::<Permanent>() || inner.is_some_and(|inner| inner.is::<Permanent>()) {
            return true;
        }
        link = error.source();
    }
    false
}

/// Why the webhooks cannot start, a command cannot be carried out, or settings cannot be read: every problem that was
/// found, each with its place and remedy.
///
/// `Debug` prints the same report as `Display`, so that returning it from `main` shows it as written.
pub struct Error {
    /// What could not be done.
    heading: &'static str,
    problems: Vec<Problem>,
}

impl Error {
    /// All problems, sorted: those of listeners first.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The webhooks cannot start.
    pub(crate) fn of_start(problems: Vec<Problem>) -> Self {
        Self { heading: "webhooks cannot start", problems }
    }

    /// An operator's command cannot be carried out.
    pub(crate) fn of_command(problems: Vec<Problem>) -> Self {
        Self { heading: "the command cannot be carried out", problems }
    }

    /// A text is no settings.
    pub(crate) fn of_settings(problems: Vec<Problem>) -> Self {
        Self { heading: "the settings cannot be read", problems }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len();
        let plural = if count == 1 { "" } else { "s" };
        writeln!(f, "{}: {count} problem{plural}", self.heading)?;
        for (index, problem) in self.problems.iter().enumerate() {
            write!(f, "\n{:>2}. {problem}", index + 1)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl StdError for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_error_means_retry() {
        let failure: Failure = "closed".into();
        assert!(!failure.is_permanent());
        let failure: Failure = std::io::Error::other("disk").into();
        assert_eq!(failure.delay(), None);
        assert_eq!(failure.to_string(), "disk");
    }

    #[test]
    fn permanent_anywhere_in_the_chain() {
        let failure: Failure = std::io::Error::other(Permanent::new("no such customer")).into();
        assert!(failure.is_permanent());
        assert!(failure.to_string().ends_with("permanent: no such customer"));
    }
}
