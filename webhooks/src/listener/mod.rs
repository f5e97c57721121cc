//! Listeners: the user's functions and types, how they get their arguments, and which events they hear.

use std::future::Future;
use std::time::Duration;

use crate::error::{Failure, Result};
use crate::event::WebhookEvent;
use options::{OrderBy, Retry};

pub(crate) mod audience;
pub(crate) mod bound;
pub(crate) mod extract;
pub(crate) mod function;
pub(crate) mod options;
pub(crate) mod pattern;
pub(crate) mod registry;
pub(crate) mod routes;
pub(crate) mod validators;

/// A listener as a type, for those who would rather implement a trait than annotate a function.
///
/// ```
/// use webhooks::{WebhookEvent, WebhookEventListener};
///
/// struct Stripe;
///
/// impl WebhookEventListener for Stripe {
///     fn source(&self) -> &str {
///         "stripe"
///     }
///
///     async fn handle(&self, event: &WebhookEvent) -> webhooks::Result {
///         println!("{} {}", event.event_type(), event.id().unwrap_or("-"));
///         Ok(())
///     }
/// }
/// ```
pub trait WebhookEventListener: Send + Sync + 'static {
    /// The source to listen to; `"*"` is every source.
    fn source(&self) -> &str;

    /// The event types to hear, as patterns (`"a.b"`, `"a.*"`, `"*"`). Everything of the source, unless told.
    fn events(&self) -> Vec<String> {
        vec!["*".to_owned()]
    }

    /// The name under which it is remembered that this listener handled an event. Stable over releases; the type's
    /// name, unless told. Two listeners must not share one.
    fn id(&self) -> String {
        std::any::type_name::<Self>().to_owned()
    }

    /// How long it may take; as the settings say, unless told.
    fn timeout(&self) -> Option<Duration> {
        None
    }

    /// How often a failed run is tried again, and how soon. Needs the inbox: without it, the provider decides when.
    fn retry(&self) -> Retry {
        Retry::default()
    }

    /// What is handled one at a time, in order of arrival: events with the same value there. Needs the inbox.
    fn order_by(&self) -> Option<OrderBy> {
        None
    }

    /// How many events it handles side by side at most. Needs the inbox.
    fn concurrency(&self) -> Option<usize> {
        None
    }

    /// Handles one event. `Ok` means that it need not be handled again.
    fn handle(&self, event: &WebhookEvent) -> impl Future<Output = Result> + Send;

    /// Called after each failure. What fails or panics in here is logged and changes nothing.
    fn on_error(&self, event: &WebhookEvent, failure: &Failure) -> impl Future<Output = ()> + Send {
        let _ = (event, failure);
        async {}
    }
}
