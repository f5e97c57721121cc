//! A listener that is ready to run: its state resolved, its patterns parsed, its kind erased.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::extract::Run;
use super::options::RunOptions;
use super::pattern::EventPattern;
use super::registry::OnError;
use super::{WebhookEventListener, function::BoundListener};
use crate::error::{Failure, Result};
use crate::event::WebhookEvent;
use crate::stats::ListenerStats;

/// A listener that is ready to run.
pub(crate) struct Listener {
    pub(crate) id: Arc<str>,
    pub(crate) handler: Box<dyn Handler>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) stats: ListenerStats,
    pub(crate) options: RunOptions,
    /// How startup messages and logs name it: `` `billing::on_paid` (src/billing.rs:14) ``.
    pub(crate) label: String,
    /// `None`: every source.
    pub(crate) source: Option<String>,
    pub(crate) events: Vec<EventPattern>,
    /// The crate it stands in.
    pub(crate) crate_name: String,
    /// What it writes in the user's database commits together with the record that it ran.
    #[cfg_attr(not(feature = "postgres"), allow(dead_code))]
    pub(crate) takes_transaction: bool,
}

impl Listener {
    /// Handles the event, for whoever cancels it after `timeout`.
    pub(crate) fn handle<'a>(&'a self, event: &WebhookEvent, timeout: Duration) -> BoxFuture<'a, Result> {
        self.handler.handle(Run::new(event.clone(), Arc::clone(&self.id), timeout))
    }

    pub(crate) fn on_error<'a>(
        &'a self,
        event: &'a WebhookEvent,
        failure: &'a Failure,
    ) -> BoxFuture<'a, Result> {
        self.handler.on_error(event, failure)
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What functions and [`WebhookEventListener`]s have in common, in a form that can be stored.
pub(crate) trait Handler: Send + Sync + 'static {
    fn handle(&self, run: Run) -> BoxFuture<'_, Result>;
    fn on_error<'a>(&'a self, event: &'a WebhookEvent, failure: &'a Failure) -> BoxFuture<'a, Result>;
}

/// An annotated function.
pub(crate) struct FunctionHandler {
    pub(crate) bound: BoundListener,
    pub(crate) on_error: Option<OnError>,
}

impl Handler for FunctionHandler {
    fn handle(&self, run: Run) -> BoxFuture<'_, Result> {
        self.bound.call(run)
    }

    fn on_error<'a>(&'a self, event: &'a WebhookEvent, failure: &'a Failure) -> BoxFuture<'a, Result> {
        match self.on_error {
            Some(on_error) => on_error(event, failure),
            None => Box::pin(async { Ok(()) }),
        }
    }
}

/// A function whose arguments could not be had. It is never run, for nothing starts; but whatever else is wrong with
/// it is still found.
pub(crate) struct Unbound;

impl Handler for Unbound {
    fn handle(&self, _: Run) -> BoxFuture<'_, Result> {
        Box::pin(async { Err("this listener could not be wired".into()) })
    }

    fn on_error<'a>(&'a self, _: &'a WebhookEvent, _: &'a Failure) -> BoxFuture<'a, Result> {
        Box::pin(async { Ok(()) })
    }
}

impl<L: WebhookEventListener> Handler for L {
    fn handle(&self, run: Run) -> BoxFuture<'_, Result> {
        Box::pin(async move { WebhookEventListener::handle(self, run.event()).await })
    }

    fn on_error<'a>(&'a self, event: &'a WebhookEvent, failure: &'a Failure) -> BoxFuture<'a, Result> {
        Box::pin(async {
            WebhookEventListener::on_error(self, event, failure).await;
            Ok(())
        })
    }
}
