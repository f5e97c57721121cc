//! A source as its provider sees it: where deliveries go, and how they are signed.

use super::Keyring;
use crate::scheme::{BindOptions, Expectations, Provider, ProviderKey, Signer};
use crate::settings::config::Config;
use crate::settings::source::{SourceConfig, ValidatorChoice};

/// What providers that sign the URL call this service, where the settings do not say.
pub(crate) const PUBLIC_URL: &str = "https://example.com";

/// A source as its provider sees it.
pub(crate) struct Stand {
    pub(crate) provider: Provider,
    /// The path of its URL.
    pub(crate) path: String,
    options: BindOptions,
    expected: Expectations,
    means: Means,
}

/// How a source's deliveries are signed.
enum Means {
    With(ProviderKey),
    /// Not at all: the source asks for no signature, or has it judged by a validator of the test's own.
    Unsigned,
    /// With a key that is not here.
    Elsewhere,
}

impl Stand {
    /// Gives a source what it lacks, from the ring.
    pub(super) fn for_source(keyring: &Keyring, config: &Config, source: &mut SourceConfig) -> Self {
        if source.public_url.is_none() && config.http.public_url.is_none() {
            source.public_url = Some(PUBLIC_URL.to_owned());
        }
        let means = match (&source.validator, &source.awaited) {
            (ValidatorChoice::Scheme, None) => lend(keyring, source),
            (ValidatorChoice::Scheme, Some(_)) => Means::Elsewhere,
            _ => Means::Unsigned,
        };
        Self {
            provider: source.provider.clone(),
            path: format!("{}/{}", config.http.path, source.name),
            options: BindOptions {
                public_url: source.public_url.clone().or_else(|| config.http.public_url.clone()),
                tolerance: source.tolerance,
            },
            expected: source.expected.clone(),
            means,
        }
    }

    /// Whether the source asks for no signature that could be made here.
    pub(crate) fn is_unsigned(&self) -> bool {
        matches!(self.means, Means::Unsigned)
    }

    /// The source's own key, if it is here.
    pub(crate) fn key(&self) -> Option<&ProviderKey> {
        if let Means::With(key) = &self.means { Some(key) } else { None }
    }

    /// Signs with this key for this source; the error is what is wrong with the key, and what to do.
    pub(crate) fn signer(&self, key: &ProviderKey) -> Result<Signer, (String, String)> {
        Signer::new(&self.provider, key, &self.options, &self.expected)
            .map_err(|flaws| flaws.into_iter().next().map(|it| (it.what, it.help)).unwrap_or_default())
    }
}

/// Gives a source a key, unless it has secrets of its own; and something to expect, if its vendor signs for everyone.
fn lend(keyring: &Keyring, source: &mut SourceConfig) -> Means {
    if source.expected.is_empty() {
        for (place, value) in source.provider.own_expectations(PUBLIC_URL) {
            source.expected.and(&place, value);
        }
    }
    let Some(key) = keyring.key_of(source.name.as_str(), &source.provider, source.secrets.first()) else {
        return Means::Elsewhere;
    };
    if source.secrets.is_empty() {
        source.secrets.extend(key.secret(&source.provider));
    }
    Means::With(key)
}
