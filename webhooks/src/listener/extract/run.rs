use std::fmt;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::error::{Failure, Result};
use crate::event::WebhookEvent;

/// One listener about to handle one event.
#[doc(hidden)]
pub struct Run<'r> {
    event: &'r WebhookEvent,
    listener: &'r str,
    timeout: Duration,
    completion: Option<Box<dyn Completion>>,
}

/// Why a run does not go on.
#[doc(hidden)]
#[derive(Debug)]
pub enum Stop {
    /// It need not: all that it would do is done.
    Done,
    /// It failed.
    Failed(Failure),
    /// It failed for no fault of its own, and may be run again at once: nothing of it is left.
    Transient(Failure),
}

/// What an argument began, and what has to be ended with the run.
pub(crate) trait Completion: Send {
    /// Ends it, as the listener's result has it. All of the listener's arguments are gone by then.
    fn complete(self: Box<Self>, result: Result) -> BoxFuture<'static, Result<(), Stop>>;
}

// Only a `Tx` has anything to complete.
#[cfg_attr(not(feature = "postgres"), allow(dead_code))]
impl<'r> Run<'r> {
    pub(crate) fn new(event: &'r WebhookEvent, listener: &'r str, timeout: Duration) -> Self {
        Self { event, listener, timeout, completion: None }
    }

    pub(crate) fn event(&self) -> &'r WebhookEvent {
        self.event
    }

    /// The listener's id.
    pub(crate) fn listener(&self) -> &'r str {
        self.listener
    }

    /// When it is cancelled.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Has this completed once the listener has returned. Dropped with the run, if it does not.
    pub(crate) fn complete_with(&mut self, completion: impl Completion + 'static) {
        self.completion = Some(Box::new(completion));
    }

    /// The listener has returned: ends what its arguments began.
    pub(crate) async fn complete(&mut self, result: Result) -> Result<(), Stop> {
        match self.completion.take() {
            Some(completion) => completion.complete(result).await,
            None => Ok(result?),
        }
    }
}

impl fmt::Debug for Run<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("event", self.event)
            .field("listener", &self.listener)
            .finish_non_exhaustive()
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}
