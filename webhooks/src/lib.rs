#![doc = include_str!("docs/crate.md")]
// What only a server uses is compiled without one too, so that the path of a delivery is the same.
#![cfg_attr(not(feature = "http"), allow(dead_code))]

mod budget;
mod catalogue;
mod cli;
mod clock;
mod delivery;
mod document;
#[cfg(feature = "postgres")]
mod effect;
mod endpoint;
mod error;
mod event;
#[cfg(feature = "fetch")]
mod fetch;
#[cfg(feature = "http")]
mod http;
#[cfg_attr(
    not(any(feature = "postgres", feature = "sqlite")),
    allow(dead_code, reason = "nothing drives an inbox without an engine")
)]
mod inbox;
mod key;
mod life;
mod listener;
mod metrics;
mod outcome;
mod printable;
mod problem;
mod processor;
#[cfg(feature = "test-util")]
mod rehearsal;
mod rejection;
mod reply;
mod run;
mod scheme;
mod secret;
mod seen;
mod settings;
mod source;
mod startup;
mod stats;
mod store;
#[cfg(feature = "test-util")]
pub mod testing;

#[cfg(feature = "http")]
pub use crate::http::{WebhookService, shutdown_signal};
pub use catalogue::{
    GitHubSignatureValidator, HmacSignatureValidator, NoOpSignatureValidator, ProviderInfo,
    StripeSignatureValidator, TwilioSignatureValidator, providers,
};
pub use cli::cli;
pub use clock::Clock;
pub use delivery::{Delivery, DeliveryId, SourceName};
pub use error::{Error, Failure, OrPermanent, Permanent, Result};
pub use event::WebhookEvent;
pub use inbox::handle::{ListenerBacklog, OperationError, WebhookInbox};
pub use inbox::record::{EventRecord, EventSummary, FailedAttempt, Replayed, RunRecord, RunState, Selection};
pub use listener::WebhookEventListener;
#[cfg(feature = "postgres")]
pub use listener::extract::Tx;
pub use listener::extract::{Attempt, Event, Extract, FromEvent, State};
pub use listener::options::{OnDead, OrderBy, Retry};
pub use listener::registry::ListenerRegistration;
pub use listener::validators::Secrets;
pub use outcome::Outcome;
pub use problem::Problem;
pub use processor::WebhookProcessor;
pub use rejection::{Malformed, Rejection};
pub use reply::Reply;
#[cfg(feature = "fetch")]
pub use scheme::KeyFetcher;
pub use scheme::{BodyCoverage, SignatureValidator, Verified};
pub use secret::Secret;
pub use settings::{Settings, settings_schema};
pub use startup::development::SampleRequest;
pub use startup::processor_builder::WebhookProcessorBuilder;
pub use startup::source_builder::SourceBuilder;
pub use startup::webhooks::{Handle, Webhooks};
pub use startup::{Builder, autoconfigure};
pub use stats::SourceReport;
#[cfg(feature = "redis")]
pub use store::RedisWebhookEventStore;
pub use store::{
    Claim, ClaimTerms, DeadReason, EventKey, Fate, Grant, InMemoryWebhookEventStore, ListenerFate, Settled,
    Settlement, StoreError, Token, WebhookEventStore,
};
pub use webhooks_macros::{webhook_listener, webhook_validator};

/// The registrations of annotated functions, by path: for `.listeners(…)` and `.only(…)`.
///
/// ```
/// use webhooks::webhook_listener;
///
/// #[webhook_listener(source = "stripe")]
/// async fn on_stripe() {}
///
/// let registrations = webhooks::listeners![on_stripe];
/// assert_eq!(registrations.len(), 1);
/// ```
#[macro_export]
macro_rules! listeners {
    ($($function:path),* $(,)?) => {
        [$(<$function as $crate::__private::ListenerFn>::REGISTRATION),*]
    };
}

/// The chapters of the manual.
#[cfg(doc)]
pub mod docs {
    #[doc = include_str!("docs/guide.md")]
    pub mod guide {}

    #[doc = include_str!("docs/settings.md")]
    pub mod settings {}

    #[doc = include_str!(concat!(env!("OUT_DIR"), "/providers.md"))]
    pub mod providers {}

    #[doc = include_str!("docs/schemes.md")]
    pub mod schemes {}

    #[doc = include_str!("docs/observability.md")]
    pub mod observability {}

    #[doc = include_str!("docs/stores.md")]
    pub mod stores {}

    #[doc = include_str!("docs/inbox.md")]
    pub mod inbox {}

    #[cfg_attr(feature = "postgres", doc = include_str!("docs/effects.md"))]
    #[cfg_attr(
        not(feature = "postgres"),
        doc = "This chapter is in the documentation of builds with the feature `postgres`."
    )]
    pub mod effects {}

    #[cfg_attr(feature = "test-util", doc = include_str!("docs/testing.md"))]
    #[cfg_attr(
        not(feature = "test-util"),
        doc = "This chapter is in the documentation of builds with the feature `test-util`."
    )]
    pub mod testing {}

    #[doc = include_str!("docs/from_pyfly.md")]
    pub mod from_pyfly {}
}

/// For generated code.
#[doc(hidden)]
pub mod __private {
    pub use crate::listener::extract::Bind;
    pub use crate::listener::function::{Argument, BoundListener, bind_fn, on_error_future};
    pub use crate::listener::options::{OnDead, OrderBy, Retry};
    pub use crate::listener::registry::{ListenerFn, ListenerOptions, ListenerRegistration, OnError};
    pub use crate::listener::validators::{ValidatorRegistration, build_validator};
    pub use inventory;
}
