//! What a provider signs with.

use std::fmt;

use super::{Error, Result};
use crate::catalogue;
use crate::problem::unknown_word;
use crate::rehearsal::PUBLIC_URL;
#[cfg(feature = "fetch")]
use crate::rehearsal::{Keyring, KeyringFetcher};
use crate::scheme::{Provider, ProviderKey, RsaKeys};
use crate::secret::Secret;
use crate::startup::source_builder::SourceBuilder;

/// What a provider signs with, made for a test, and what a source has to know to believe it.
///
/// A [`Client`](super::Client) gives every source a key by itself. One of your own is needed where the webhooks are not
/// assembled by a client, for a second key, and for a stranger's. For most providers it is a random secret; for those
/// that sign with a private key it is a new key pair; for those that publish their keys (Amazon SNS, PayPal, Plaid,
/// Google Pub/Sub) the certificate or key is published by [`fetcher`](Self::fetcher). A key of 2048 bits for RSA takes some
/// tenths of a second in a debug build.
///
#[cfg_attr(feature = "ed25519", doc = "```")]
#[cfg_attr(not(feature = "ed25519"), doc = "```ignore")]
/// use webhooks::testing::{self, SigningKey};
/// use webhooks::{Webhooks, webhook_listener};
///
/// #[webhook_listener(source = "discord")]
/// async fn on_discord() {}
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> webhooks::testing::Result {
/// let key = SigningKey::generate("discord")?;
/// let webhooks = Webhooks::builder()
///     .source("discord", |source| key.configure(source)) // the public key as its secret
///     .listeners(webhooks::listeners![on_discord])
///     .await?;
///
/// let genuine = testing::example("discord").signed_with(&key).into_request()?;
/// assert_eq!(webhooks.process(genuine).await.status, 200);
///
/// let stranger = SigningKey::generate("discord")?;
/// let forged = testing::example("discord").signed_with(&stranger).into_request()?;
/// assert_eq!(webhooks.process(forged).await.status, 401);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SigningKey {
    pub(super) material: Material,
    /// What a source has to expect, by place.
    pub(super) expected: Vec<(String, String)>,
    /// As the source's settings have it.
    secret: Option<Secret>,
}

#[derive(Clone)]
pub(super) enum Material {
    /// Whatever this text is to the provider.
    Text(Secret),
    Key(ProviderKey),
}

impl SigningKey {
    /// A new key for a provider of the catalogue.
    ///
    /// # Errors
    /// If there is no such provider, or this build lacks the feature for its signatures.
    pub fn generate(provider: &str) -> Result<Self> {
        Self::of(&known(provider)?)
    }

    /// A new key for one of a provider's other schemes: `("standard-webhooks", "ed25519")`.
    ///
    /// # Errors
    /// If there is no such provider or variant, or this build lacks the feature for its signatures.
    pub fn generate_variant(provider: &str, variant: &str) -> Result<Self> {
        Self::of(&with_variant(known(provider)?, Some(variant))?)
    }

    /// What a source's `secret` is set to: the secret itself, the public key, or what the provider goes by. `None` for
    /// providers that have none.
    pub fn secret(&self) -> Option<&str> {
        self.secret.as_ref().map(Secret::reveal)
    }

    /// Sets what a source has to know: its secret, and what to expect where the vendor signs for all of its customers.
    /// Provider and variant are yours to set.
    pub fn configure(&self, source: SourceBuilder) -> SourceBuilder {
        let source = match &self.secret {
            Some(secret) => source.secret(secret.reveal()),
            None => source,
        };
        self.expected.iter().fold(source, |source, (place, value)| source.expect(place, value))
    }

    /// Serves what the vendor publishes of this key, and nothing else:
    /// [`Builder::key_fetcher`](crate::Builder::key_fetcher) takes it.
    #[cfg(feature = "fetch")]
    pub fn fetcher(&self) -> impl crate::KeyFetcher + use<> {
        let keyring = Keyring::default();
        if let Material::Key(key) = &self.material {
            keyring.add("testing", key.clone());
        }
        KeyringFetcher { keyring, otherwise: None }
    }

    fn of(provider: &Provider) -> Result<Self> {
        let key =
            ProviderKey::generate(provider, RsaKeys::Fresh).ok_or_else(|| no_engine(&provider.title))?;
        Ok(Self {
            secret: key.secret(provider),
            expected: provider.own_expectations(PUBLIC_URL),
            material: Material::Key(key),
        })
    }
}

impl From<Secret> for SigningKey {
    /// The secret that the provider shows.
    fn from(secret: Secret) -> Self {
        Self { material: Material::Text(secret.clone()), expected: Vec::new(), secret: Some(secret) }
    }
}

impl From<&str> for SigningKey {
    fn from(secret: &str) -> Self {
        Secret::new(secret).into()
    }
}

impl From<String> for SigningKey {
    fn from(secret: String) -> Self {
        Secret::new(secret).into()
    }
}

impl From<&Self> for SigningKey {
    fn from(key: &Self) -> Self {
        key.clone()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").finish_non_exhaustive()
    }
}

/// A provider of the catalogue.
pub(super) fn known(name: &str) -> Result<Provider> {
    catalogue::provider(name).ok_or_else(|| {
        let help =
            "webhooks::providers() lists them all; a source of your own is known to its `testing::client(…)`";
        unknown_word("no provider is called", name, catalogue::names(), help).into()
    })
}

/// The provider with another of its schemes.
pub(super) fn with_variant(provider: Provider, variant: Option<&str>) -> Result<Provider> {
    let Some(variant) = variant else { return Ok(provider) };
    provider.with_variant(variant).ok_or_else(|| {
        let names = provider.variants.keys().map(String::as_str);
        let says = format!("{} has no variant that is called", provider.title);
        unknown_word(&says, variant, names, "webhooks::providers() lists them all").into()
    })
}

fn no_engine(title: &str) -> Error {
    Error::new(
        format!("this build cannot sign as {title} does"),
        "enable its features for the tests: webhooks = { features = [\"test-util\", \"asymmetric\", \"fetch\"] }",
    )
}
