//! A listener that is ready to run: its state resolved, its patterns parsed, its kind erased.

use std::fmt;
use std::sync::{Arc, Once};
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::WebhookEventListener;
use super::extract::Run;
use super::options::RunOptions;
use super::pattern::EventPattern;
use crate::error::{Failure, Result};
use crate::event::WebhookEvent;
use crate::stats::ListenerStats;

/// A listener that is ready to run: what each run looks at. Clones are the same listener.
#[derive(Clone)]
pub(crate) struct Listener {
    pub(crate) id: Arc<str>,
    pub(crate) handler: Arc<dyn Handler>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) declared: Arc<Declaration>,
}

/// What was declared of a listener, and what is counted of it.
pub(crate) struct Declaration {
    pub(crate) stats: ListenerStats,
    pub(crate) options: RunOptions,
    /// That an event was in no order, since nothing stands where the listener's order looks, is told once.
    pub(crate) told_of_no_order: Once,
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
    pub(crate) fn handle<'a>(&'a self, event: &'a WebhookEvent, timeout: Duration) -> BoxFuture<'a, Result> {
        self.handler.handle(Run::new(event, &self.id, timeout))
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
    fn handle<'a>(&'a self, run: Run<'a>) -> BoxFuture<'a, Result>;
    fn on_error<'a>(&'a self, event: &'a WebhookEvent, failure: &'a Failure) -> BoxFuture<'a, Result>;
}

/// A function whose arguments could not be had. It is never run, for nothing starts; but whatever else is wrong with
/// it is still found.
pub(crate) struct Unbound;

impl Handler for Unbound {
    fn handle<'a>(&'a self, _: Run<'a>) -> BoxFuture<'a, Result> {
        Box::pin(async { Err("this listener could not be wired".into()) })
    }

    fn on_error<'a>(&'a self, _: &'a WebhookEvent, _: &'a Failure) -> BoxFuture<'a, Result> {
        Box::pin(async { Ok(()) })
    }
}

impl<L: WebhookEventListener> Handler for L {
    fn handle<'a>(&'a self, run: Run<'a>) -> BoxFuture<'a, Result> {
        Box::pin(async move { WebhookEventListener::handle(self, run.event()).await })
    }

    fn on_error<'a>(&'a self, event: &'a WebhookEvent, failure: &'a Failure) -> BoxFuture<'a, Result> {
        Box::pin(async {
            WebhookEventListener::on_error(self, event, failure).await;
            Ok(())
        })
    }
}
