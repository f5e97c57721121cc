//! The keys that are lent to sources, and what their vendors publish of them.

use std::collections::HashMap;
#[cfg(feature = "fetch")]
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[cfg(feature = "fetch")]
use bytes::Bytes;

use crate::scheme::{Provider, ProviderKey, RsaKeys};
use crate::secret::Secret;
#[cfg(feature = "fetch")]
use crate::{KeyFetcher, scheme::DynKeyFetcher};

/// Keys by source. Clones are the same ring.
#[derive(Clone, Default)]
pub(crate) struct Keyring(Arc<Mutex<HashMap<String, ProviderKey>>>);

impl Keyring {
    /// The key of a source, which is for its secret, if it has one. `None`: it is not here, or this build cannot sign for
    /// the provider.
    pub(super) fn key_of(
        &self,
        source: &str,
        provider: &Provider,
        secret: Option<&Secret>,
    ) -> Option<ProviderKey> {
        if let Some(key) = self.keys().get(source) {
            return Some(key.clone());
        }
        // Not while the ring is locked: some take a while.
        let key = match secret {
            Some(secret) => ProviderKey::of_secret(provider, secret.clone())?,
            None => ProviderKey::generate(provider, RsaKeys::OfProcess)?,
        };
        Some(self.keys().entry(source.to_owned()).or_insert(key).clone())
    }

    /// Puts a key on the ring.
    #[cfg(feature = "fetch")]
    pub(crate) fn add(&self, name: &str, key: ProviderKey) {
        self.keys().insert(name.to_owned(), key);
    }

    fn keys(&self) -> MutexGuard<'_, HashMap<String, ProviderKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves what the vendors of a ring's keys publish; for anything else it asks another fetcher, if there is one. Nothing
/// goes through the network.
#[cfg(feature = "fetch")]
pub(crate) struct KeyringFetcher {
    pub(crate) keyring: Keyring,
    pub(crate) otherwise: Option<Arc<dyn DynKeyFetcher>>,
}

#[cfg(feature = "fetch")]
impl KeyringFetcher {
    fn answer(&self, ask: impl Fn(&ProviderKey) -> Option<Bytes>) -> Option<Bytes> {
        self.keyring.keys().values().filter_map(ask).reduce(merged)
    }
}

#[cfg(feature = "fetch")]
impl KeyFetcher for KeyringFetcher {
    async fn fetch(&self, url: &str) -> io::Result<Bytes> {
        match (self.answer(|key| key.get(url)), &self.otherwise) {
            (Some(answer), _) => Ok(answer),
            (None, Some(otherwise)) => otherwise.fetch_boxed(url).await,
            (None, None) => Err(unknown(url)),
        }
    }

    async fn post_json(&self, url: &str, json: Bytes) -> io::Result<Bytes> {
        match (self.answer(|key| key.post(url, &json)), &self.otherwise) {
            (Some(answer), _) => Ok(answer),
            (None, Some(otherwise)) => otherwise.post_json_boxed(url, json).await,
            (None, None) => Err(unknown(url)),
        }
    }
}

#[cfg(feature = "fetch")]
fn unknown(url: &str) -> io::Error {
    io::Error::other(format!("{url} is not part of this test"))
}

/// Google publishes all of its keys at one place: an object with a certificate for each.
#[cfg(feature = "fetch")]
fn merged(one: Bytes, other: Bytes) -> Bytes {
    type Keys = serde_json::Map<String, serde_json::Value>;
    match (serde_json::from_slice::<Keys>(&one), serde_json::from_slice::<Keys>(&other)) {
        (Ok(mut all), Ok(more)) => {
            all.extend(more);
            serde_json::Value::Object(all).to_string().into()
        }
        _ => one,
    }
}
