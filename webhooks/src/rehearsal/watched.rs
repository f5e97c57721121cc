//! A listener whose every run is seen.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::witness::{RunResult, Witness};
use crate::error::{Failure, Result};
use crate::event::WebhookEvent;
use crate::listener::bound::Handler;
use crate::listener::extract::Run;
use crate::run::runner::{Panicked, TimedOut};

/// Tells the witness of each run, and changes nothing.
pub(super) struct Watched {
    listener: Arc<str>,
    inner: Arc<dyn Handler>,
    witness: Witness,
}

impl Watched {
    pub(super) fn new(listener: &Arc<str>, inner: Arc<dyn Handler>, witness: Witness) -> Self {
        Self { listener: Arc::clone(listener), inner, witness }
    }
}

impl Handler for Watched {
    fn handle<'a>(&'a self, run: Run<'a>) -> BoxFuture<'a, Result> {
        Box::pin(async move {
            let mut watch = Watch::begin(self, run.event());
            let result = self.inner.handle(run).await;
            // A failure is told by `on_error`, which hears of panics and timeouts, too.
            watch.end = if result.is_ok() { RunResult::Done } else { RunResult::Running };
            result
        })
    }

    fn on_error<'a>(&'a self, event: &'a WebhookEvent, failure: &'a Failure) -> BoxFuture<'a, Result> {
        self.witness.fail(&self.listener, event, result_of(failure));
        self.inner.on_error(event, failure)
    }
}

/// One run. Dropped before its end, it was cancelled.
struct Watch<'w> {
    witness: &'w Witness,
    number: usize,
    end: RunResult,
}

impl<'w> Watch<'w> {
    fn begin(watched: &'w Watched, event: &WebhookEvent) -> Self {
        let number = watched.witness.begin(&watched.listener, event);
        Self { witness: &watched.witness, number, end: RunResult::Cancelled }
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.witness.end(self.number, self.end.clone());
    }
}

fn result_of(failure: &Failure) -> RunResult {
    let error = failure.error();
    if let Some(Panicked(message)) = error.downcast_ref() {
        return RunResult::Panicked(message.clone());
    }
    if error.is::<TimedOut>() {
        return RunResult::TimedOut;
    }
    RunResult::Failed { error: failure.to_string(), permanent: failure.is_permanent() }
}
