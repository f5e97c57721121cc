//! RSA with PKCS#1 v1.5 signatures: RFC 8017, section 8.2.

use std::sync::OnceLock;

use rsa::pkcs8::EncodePublicKey as _;
use rsa::{Pkcs1v15Sign, PrivateKey};
use sha2::{Digest as _, Sha256};

use super::{KeyBytes, RsaKeys};

/// The smallest modulus that is believed, in bits: a larger one takes longer to find.
const BITS: usize = 2048;

/// Two primes.
#[derive(Clone)]
pub(in crate::scheme) struct Key(Box<PrivateKey>);

impl Key {
    /// A fresh one takes some tenths of a second in a debug build. `None` if the machine has no random numbers.
    pub(in crate::scheme) fn generate(which: RsaKeys) -> Option<Self> {
        static OF_PROCESS: OnceLock<Option<Key>> = OnceLock::new();
        match which {
            RsaKeys::Fresh => PrivateKey::new(&mut rand::rng(), BITS).ok().map(|key| Self(Box::new(key))),
            RsaKeys::OfProcess => OF_PROCESS.get_or_init(|| Self::generate(RsaKeys::Fresh)).clone(),
        }
    }

    pub(super) fn public(&self) -> Option<KeyBytes> {
        let der = self.0.to_public_key().to_public_key_der().ok()?;
        Some(KeyBytes::Spki(der.into_vec()))
    }

    /// Over SHA-256.
    pub(in crate::scheme) fn sign_sha256(&self, content: &[u8]) -> Option<Vec<u8>> {
        self.0.sign(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(content)).ok()
    }

    /// Over SHA-1.
    #[cfg(feature = "fetch")]
    pub(in crate::scheme) fn sign_sha1(&self, content: &[u8]) -> Option<Vec<u8>> {
        self.0.sign(Pkcs1v15Sign::new::<sha1::Sha1>(), &sha1::Sha1::digest(content)).ok()
    }

    /// The key itself, to sign a certificate with.
    #[cfg(feature = "fetch")]
    pub(in crate::scheme) fn inner(&self) -> &PrivateKey {
        &self.0
    }
}
