use std::time::Duration;

use crate::scheme::{BodyCoverage, KeyOwner, Provider};

/// What is known about a provider: an entry of the catalogue.
///
/// ```
/// let stripe = webhooks::providers().find(|it| it.name() == "stripe").unwrap();
///
/// assert_eq!(stripe.title(), "Stripe");
/// assert!(stripe.events().contains(&"charge.succeeded".to_owned()));
/// assert!(stripe.deduplicates() && !stripe.is_unverified());
/// assert_eq!(stripe.body_coverage(), webhooks::BodyCoverage::Full);
/// ```
#[derive(Debug, Clone)]
pub struct ProviderInfo(Provider);

/// Every provider that a source can be of, sorted by name.
pub fn providers() -> impl Iterator<Item = ProviderInfo> {
    super::names().filter_map(super::provider).map(ProviderInfo)
}

impl ProviderInfo {
    /// The name that settings call it by.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The name that it calls itself by.
    pub fn title(&self) -> &str {
        &self.0.title
    }

    /// Where it documents its webhooks.
    pub fn docs(&self) -> Option<&str> {
        self.0.docs.as_deref()
    }

    /// Whether the facts are second-hand: no vendor's document, library or test stands behind them.
    pub fn is_unverified(&self) -> bool {
        self.0.unverified
    }

    /// Its older or alternative schemes, for `variant = "…"`.
    pub fn variants(&self) -> impl Iterator<Item = &str> {
        self.0.variants.keys().map(String::as_str)
    }

    /// The event types that are known; empty where there is no list. `issues` stands for `issues.opened` and the like too,
    /// and what ends with `*` for all that begins so.
    pub fn events(&self) -> &[String] {
        &self.0.events
    }

    /// Whether its events can be told apart, so that each is handled once.
    pub fn deduplicates(&self) -> bool {
        self.0.identity.has_id()
    }

    /// Whether one delivery may hold several events.
    pub fn sends_batches(&self) -> bool {
        self.0.identity.is_batch()
    }

    /// How much of the body its signatures speak for.
    pub fn body_coverage(&self) -> BodyCoverage {
        self.0.signature.covers().body
    }

    /// Whether its signatures speak for the event's id. Where they do not, the key of an event holds a digest of the
    /// content besides.
    pub fn signs_id(&self) -> bool {
        self.0.identity.id_is_signed()
    }

    /// Whether its signatures speak for a time, so that a request that was captured works for a while only.
    pub fn signs_time(&self) -> bool {
        self.0.signature.covers().time
    }

    /// Whether it signs the URL, so that `public_url` must be set.
    pub fn needs_public_url(&self) -> bool {
        self.0.signature.needs_public_url()
    }

    /// Whether it signs for all of its customers with one key, so that `expect` must be set.
    pub fn needs_expectations(&self) -> bool {
        self.0.key_owner == KeyOwner::Vendor
    }

    /// How long it waits for an answer, if it says so.
    pub fn deadline(&self) -> Option<Duration> {
        self.0.acknowledgement.deadline
    }

    /// Whether it sends again what was not acknowledged.
    pub fn retries(&self) -> bool {
        self.0.acknowledgement.retries
    }

    /// How long it goes on doing so, if it says so.
    pub fn retry_horizon(&self) -> Option<Duration> {
        self.0.acknowledgement.retry_horizon
    }
}
