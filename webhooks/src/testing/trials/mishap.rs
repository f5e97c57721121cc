//! What is done to a listener's runs.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::error::Failure;

/// What is done to the runs of the listener that is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mishap {
    None,
    /// The process dies when the first run of each delivery has taken effect.
    Death,
    /// The first run with each event fails before it does anything.
    FailureBefore,
    /// The first run with each event takes effect, and fails.
    FailureAfter,
    /// The first run with each event is cut off when it waits for the time of this number, counted from 0.
    Cut(usize),
    /// Runs fail at once, until they are released.
    HeldBack,
}

/// A failure of the trial's own making.
#[derive(Debug)]
pub(super) struct Staged;

impl Staged {
    pub(super) fn failure() -> Failure {
        Self.into()
    }

    pub(super) fn is(failure: &Failure) -> bool {
        failure.error().is::<Self>()
    }
}

impl fmt::Display for Staged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this failure belongs to the trial")
    }
}

impl std::error::Error for Staged {}

/// A future that may wait so often, and is then over: `None`.
pub(super) struct Waiting<F> {
    pub(super) future: Pin<Box<F>>,
    pub(super) left: usize,
}

impl<F: Future> Future for Waiting<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if self.left == 0 => Poll::Ready(None),
            Poll::Pending => {
                self.left -= 1;
                Poll::Pending
            }
        }
    }
}
