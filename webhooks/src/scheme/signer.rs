//! Signing as a provider does, whatever its scheme: the inverse of a source's verification.

use std::sync::Arc;
use std::time::SystemTime;

#[cfg(feature = "fetch")]
use bytes::Bytes;

use super::expect::Expectations;
#[cfg(feature = "fetch")]
use super::fetched::{Recipient, VendorKey};
use super::identity::Identity;
use super::provider::Provider;
use super::sample::Sample;
use super::signature::{BindOptions, PrivateKey, RsaKeys, SecretProblem, Verifier};
use crate::secret::Secret;

/// What a provider signs with. Clones are the same key.
#[derive(Clone)]
pub(crate) struct ProviderKey(Arc<Kind>);

enum Kind {
    /// A secret that the source has, too.
    Shared(Secret),
    /// A private key; the source has the public one.
    Private(Box<PrivateKey>),
    /// A key whose public part the vendor publishes, and what the source's secret is, where it has one.
    #[cfg(feature = "fetch")]
    Vendor(VendorKey, Option<Secret>),
    /// The provider signs nothing.
    Nothing,
}

impl ProviderKey {
    /// A random one, of the provider's scheme; `None` where this build has no engine for it.
    pub(crate) fn generate(provider: &Provider, rsa: RsaKeys) -> Option<Self> {
        let signature = &provider.signature;
        if let Some(secret) = signature.generate_secret() {
            return Some(Kind::Shared(secret).into());
        }
        #[cfg(feature = "fetch")]
        if let Some(scheme) = signature.fetched() {
            let secret = scheme.needs_secret().then(|| Secret::new(random_words()));
            return VendorKey::generate(scheme, rsa).map(|key| Kind::Vendor(key, secret).into());
        }
        match signature.generate_private_key(rsa) {
            Some(key) => Some(Kind::Private(Box::new(key)).into()),
            None => {
                (!signature.needs_secret() && signature.fetched().is_none()).then_some(Kind::Nothing.into())
            }
        }
    }

    /// The key for a source with this secret; `None` where the secret is a public key, and the private one that belongs
    /// to it is somebody else's.
    pub(crate) fn of_secret(provider: &Provider, secret: Secret) -> Option<Self> {
        match Self::is_shared(provider) {
            true => Some(Kind::Shared(secret).into()),
            false if provider.signature.fetched().is_some() => {
                Self::generate(provider, RsaKeys::OfProcess)?.with_secret(secret)
            }
            false => None,
        }
    }

    /// The same key for a source with another secret; where there is a secret and nothing else, that is the key.
    pub(crate) fn with_secret(&self, secret: Secret) -> Option<Self> {
        match &*self.0 {
            Kind::Shared(_) => Some(Kind::Shared(secret).into()),
            #[cfg(feature = "fetch")]
            Kind::Vendor(key, _) => Some(Kind::Vendor(key.clone(), Some(secret)).into()),
            Kind::Private(_) | Kind::Nothing => None,
        }
    }

    /// Whether whoever knows a source's secret can sign.
    pub(crate) fn is_shared(provider: &Provider) -> bool {
        provider.signature.generate_secret().is_some()
    }

    /// What the source's `secret` is set to, if it has one.
    pub(crate) fn secret(&self, provider: &Provider) -> Option<Secret> {
        match &*self.0 {
            Kind::Shared(secret) => Some(secret.clone()),
            Kind::Private(key) => provider.signature.public_key(key),
            #[cfg(feature = "fetch")]
            Kind::Vendor(_, secret) => secret.clone(),
            Kind::Nothing => None,
        }
    }

    /// What `GET` of this URL is answered with, if the vendor publishes something of this key there.
    #[cfg(feature = "fetch")]
    pub(crate) fn get(&self, url: &str) -> Option<Bytes> {
        if let Kind::Vendor(key, _) = &*self.0 { key.get(url) } else { None }
    }

    /// What `POST` of this JSON is answered with, if it asks for this key.
    #[cfg(feature = "fetch")]
    pub(crate) fn post(&self, url: &str, json: &[u8]) -> Option<Bytes> {
        let Kind::Vendor(key, secret) = &*self.0 else { return None };
        key.post(url, json, secret.as_ref())
    }
}

impl From<Kind> for ProviderKey {
    fn from(kind: Kind) -> Self {
        Self(Arc::new(kind))
    }
}

/// A provider with its key.
pub(crate) struct Signer {
    key: ProviderKey,
    /// Bound to the key, or to the public one that belongs to it. `None`: the vendor's is fetched.
    verifier: Option<Verifier>,
    identity: Identity,
    expected: Expectations,
}

impl Signer {
    /// Signs for a source that is configured like this.
    pub(crate) fn new(
        provider: &Provider,
        key: &ProviderKey,
        options: &BindOptions,
        expected: &Expectations,
    ) -> Result<Self, Vec<SecretProblem>> {
        let secrets: Vec<_> = key.secret(provider).into_iter().collect();
        let verifier = match provider.signature.fetched() {
            Some(_) => None,
            None => Some(provider.bind(&secrets, options)?),
        };
        Ok(Self {
            key: key.clone(),
            verifier,
            identity: provider.identity.clone(),
            expected: expected.clone(),
        })
    }

    /// The request, signed; `None` if it lacks what is signed, or only another key can sign it.
    pub(crate) fn sign(&self, request: Sample, at: SystemTime, id: &str) -> Option<Sample> {
        let request = request.expected(&self.identity, &self.expected)?;
        let delivery = request.delivery()?;
        let signed = match (&*self.key.0, &self.verifier) {
            (Kind::Private(key), Some(verifier)) => verifier.sign_privately(key, &delivery, at, id)?,
            (Kind::Shared(_) | Kind::Nothing, Some(verifier)) => verifier.sign_anywhere(&delivery, at, id)?,
            #[cfg(feature = "fetch")]
            (Kind::Vendor(key, secret), None) => {
                let recipient = Recipient { secret: secret.as_ref(), expected: &self.expected };
                key.sign(&delivery, at, id, &recipient)?
            }
            _ => return None,
        };
        Some(request.with(signed))
    }
}

/// A secret that is a name, or a name and a word: PayPal's ids of webhooks, Plaid's credentials.
#[cfg(feature = "fetch")]
fn random_words() -> String {
    format!("testing:{:032x}", rand::random::<u128>())
}
