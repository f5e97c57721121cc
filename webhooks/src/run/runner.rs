//! One listener handles one event, once: with a timeout, its panics caught, its failure logged.

use std::any::Any;
use std::fmt;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt;
use tracing::Instrument;
use tracing::field::Empty;

use crate::error::{Failure, Result};
use crate::event::WebhookEvent;
use crate::listener::bound::Listener;
use crate::printable::Printable;
use crate::stats::RunResult;

/// Runs the listener, in a span of its own. A panic and a timeout are failures like any other; every failure is logged,
/// and `on_error` runs.
pub(crate) async fn run(listener: &Listener, event: &WebhookEvent, timeout: Duration) -> Result {
    let span = tracing::info_span!(
        "listener",
        listener = &*listener.id,
        event_id = event.id(),
        event_type = event.event_type(),
        attempt = event.attempt(),
        result = Empty,
    );
    let timeout = listener.timeout.unwrap_or(timeout);
    async {
        let run = listener.declared.stats.begin();
        let result =
            guarded(async { listener.handle(event, timeout).await }, timeout).await.and_then(|result| result);
        let ended = how_it_ended(&result);
        span.record("result", ended.label());
        run.end(ended);
        if let Err(failure) = &result {
            tell(listener, event, failure, timeout).await;
        }
        result
    }
    .instrument(span.clone())
    .await
}

/// Logs the failure, and has the listener's `on_error` run.
async fn tell(listener: &Listener, event: &WebhookEvent, failure: &Failure, timeout: Duration) {
    tracing::warn!(
        source = event.source(),
        event_id = event.id(),
        event_type = event.event_type(),
        listener = &*listener.id,
        attempt = event.attempt(),
        delivery = %event.delivery_id(),
        error = %Printable(failure),
        permanent = failure.is_permanent(),
        "listener failed"
    );
    // What fails in here is logged and changes nothing.
    let told = guarded(async { listener.on_error(event, failure).await }, timeout).await.and_then(|it| it);
    if let Err(second) = told {
        tracing::warn!(
            source = event.source(), listener = &*listener.id, error = %Printable(&second), "on_error failed"
        );
    }
}

fn how_it_ended(result: &Result) -> RunResult {
    match result {
        Ok(()) => RunResult::Ok,
        Err(failure) if failure.error().is::<Panicked>() => RunResult::Panicked,
        Err(failure) if failure.error().is::<TimedOut>() => RunResult::TimedOut,
        Err(failure) if failure.is_permanent() => RunResult::Permanent,
        Err(_) => RunResult::Failed,
    }
}

/// Ends the future at the timeout or its first panic, either as a failure.
async fn guarded<T>(future: impl Future<Output = T>, timeout: Duration) -> Result<T> {
    // The future is not polled again after it panicked, so no broken state of its own is seen.
    let mut running = pin!(AssertUnwindSafe(future).catch_unwind());
    // Many are done without waiting for anything. A timer could not interrupt them, and costs a look at the clock.
    let ended = match poll_fn(|context| Poll::Ready(running.as_mut().poll(context))).await {
        Poll::Ready(ended) => Ok(ended),
        Poll::Pending => tokio::time::timeout(timeout, running).await,
    };
    match ended {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(panic)) => Err(Panicked(message(&*panic)).into()),
        Err(_) => Err(TimedOut(timeout).into()),
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|it| (*it).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

/// A panic as a failure, with its message.
#[derive(Debug)]
pub(crate) struct Panicked(pub(crate) String);

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "panicked: {}", self.0)
    }
}

impl std::error::Error for Panicked {}

/// A timeout as a failure.
#[derive(Debug)]
pub(crate) struct TimedOut(Duration);

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cancelled after its timeout of {:?}", self.0)
    }
}

impl std::error::Error for TimedOut {}
