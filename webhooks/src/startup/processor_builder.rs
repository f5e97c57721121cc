//! A processor from its parts, without settings and without listeners that register themselves.

use super::source_builder::SourceBuilder;
use super::{Builder, Settings};
use crate::error::Error;
use crate::listener::WebhookEventListener;
use crate::listener::registry::ListenerRegistration;
use crate::processor::WebhookProcessor;
use crate::scheme::SignatureValidator;
use crate::store::WebhookEventStore;

/// Builds a [`WebhookProcessor`] from its parts: validators, listeners, a store. No settings, no registry.
///
/// ```
/// use webhooks::{Delivery, GitHubSignatureValidator, SourceName, WebhookEvent, WebhookProcessor, webhook_listener};
///
/// #[webhook_listener(source = "github")]
/// async fn on_github(event: WebhookEvent) {
///     println!("{}", event.event_type());
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), webhooks::Error> {
/// let processor = WebhookProcessor::builder()
///     .validator("github", GitHubSignatureValidator::new("It's a Secret to Everybody"))
///     .listeners(webhooks::listeners![on_github])
///     .build()
///     .await?;
///
/// let unsigned = Delivery::new(SourceName::new("github").unwrap(), "{}");
/// assert_eq!(processor.process(unsigned).await.status, 401);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct WebhookProcessorBuilder(Builder);

impl WebhookProcessor {
    /// Builds a processor from its parts, for tests and for those who want no magic.
    pub fn builder() -> WebhookProcessorBuilder {
        WebhookProcessorBuilder(Builder::empty().settings(Settings::default()).without_development())
    }
}

impl WebhookProcessorBuilder {
    /// Has the deliveries of `source` judged by `validator`. Ids and types are read as the catalogue says for a
    /// provider of that name, or as for the generic `hmac` one. With one that can verify nothing, [`build`](Self::build)
    /// fails.
    pub fn validator(self, source: &str, validator: impl SignatureValidator) -> Self {
        let name = format!("of the source {source}");
        let builder = self.0.source(source, |it| it.validator(&name).with_provider_of(source));
        Self(builder.validator(name, validator))
    }

    /// Configures a source: provider, secrets, options.
    pub fn source(self, name: &str, configure: impl FnOnce(SourceBuilder) -> SourceBuilder) -> Self {
        Self(self.0.source(name, configure))
    }

    /// Gives a value to all listeners that take `State<T>`.
    pub fn state<T: Send + Sync + 'static>(self, value: T) -> Self {
        Self(self.0.state(value))
    }

    /// Adds a listener that is a type.
    pub fn listener<L: WebhookEventListener>(self, listener: L) -> Self {
        Self(self.0.listener(listener))
    }

    /// Adds annotated functions by name.
    pub fn listeners(self, listeners: impl IntoIterator<Item = ListenerRegistration>) -> Self {
        Self(self.0.listeners(listeners))
    }

    /// Where claims live; in memory, unless told.
    pub fn store(self, store: impl WebhookEventStore) -> Self {
        Self(self.0.store(store))
    }

    /// Reads the time from `clock`.
    #[cfg(any(test, feature = "test-util"))]
    pub fn clock(self, clock: crate::Clock) -> Self {
        Self(self.0.clock(clock))
    }

    /// Assembles the processor.
    ///
    /// # Errors
    /// With every problem there is.
    pub async fn build(self) -> Result<WebhookProcessor, Error> {
        let webhooks = self.0.build().await?;
        Ok(webhooks.handle().processor().clone())
    }
}
