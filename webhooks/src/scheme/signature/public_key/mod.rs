//! Keys that verify and never sign. Each engine is behind a feature of its own, for each is a dependency.

#[cfg(feature = "ed25519")]
mod ed25519;
#[cfg(feature = "p256")]
mod p256;
#[cfg(feature = "rsa")]
mod rsa;

use super::format::Signature;
use super::key::Algorithm;

#[cfg(all(feature = "ed25519", feature = "test-util"))]
pub(in crate::scheme) use ed25519::SPKI_HEAD as ED25519_SPKI_HEAD;
#[cfg(all(feature = "fetch", feature = "p256"))]
pub(in crate::scheme) use p256::Key as P256Key;
#[cfg(feature = "fetch")]
pub(in crate::scheme) use rsa::Key as RsaKey;

/// What is wrong with a key, and what to do.
pub(in crate::scheme) type KeyFlaw = (&'static str, &'static str);

/// A public key of a known algorithm. Without any engine there is none.
#[derive(Debug, Clone)]
pub(in crate::scheme) enum PublicKey {
    #[cfg(feature = "ed25519")]
    Ed25519(ed25519::Key),
    #[cfg(feature = "p256")]
    P256(p256::Key),
    #[cfg(feature = "rsa")]
    Rsa(rsa::Key),
}

/// A public key's bytes, and how they are to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::scheme) enum KeyBytes {
    /// The key itself, in its algorithm's own encoding.
    Raw(Vec<u8>),
    /// DER `SubjectPublicKeyInfo`, which names its algorithm: RFC 5280, section 4.1.
    Spki(Vec<u8>),
}

impl PublicKey {
    /// The key, or what is wrong with it; `None` where this build has no engine for the algorithm.
    #[cfg_attr(
        not(any(feature = "ed25519", feature = "p256", feature = "rsa")),
        expect(unused_variables, reason = "without an engine nothing is read")
    )]
    pub(in crate::scheme) fn new(algorithm: Algorithm, bytes: &KeyBytes) -> Option<Result<Self, KeyFlaw>> {
        match algorithm {
            #[cfg(feature = "ed25519")]
            Algorithm::Ed25519 => Some(ed25519::Key::new(bytes).map(Self::Ed25519)),
            #[cfg(feature = "p256")]
            Algorithm::EcdsaP256Sha256 => Some(p256::Key::new(bytes).map(Self::P256)),
            #[cfg(feature = "rsa")]
            Algorithm::RsaSha256 => Some(rsa::Key::new(bytes).map(Self::Rsa)),
            _ => None,
        }
    }

    /// Whether any of the signatures is right for a content that is handed over piece by piece.
    #[cfg_attr(
        not(any(feature = "ed25519", feature = "p256", feature = "rsa")),
        expect(unused_variables, reason = "without an engine there is no key")
    )]
    pub(super) fn matches_any(
        &self,
        content: impl Fn(&mut dyn FnMut(&[u8])),
        signatures: &[Signature],
    ) -> bool {
        match *self {
            #[cfg(feature = "ed25519")]
            Self::Ed25519(ref key) => {
                // Ed25519 hashes its content twice, so that it cannot be taken in passing: RFC 8032, section 5.1.7.
                let mut whole = Vec::new();
                content(&mut |piece| whole.extend_from_slice(piece));
                signatures.iter().any(|signature| key.verify(&whole, signature))
            }
            #[cfg(feature = "p256")]
            Self::P256(ref key) => {
                let hash = sha256(content);
                signatures.iter().any(|signature| key.verify(&hash, signature))
            }
            #[cfg(feature = "rsa")]
            Self::Rsa(ref key) => {
                let hash = sha256(content);
                signatures.iter().any(|signature| key.verify(&hash, signature))
            }
        }
    }
}

#[cfg(any(feature = "p256", feature = "rsa"))]
fn sha256(content: impl Fn(&mut dyn FnMut(&[u8]))) -> [u8; 32] {
    use sha2::Digest as _;

    let mut hash = sha2::Sha256::new();
    content(&mut |piece| hash.update(piece));
    hash.finalize().into()
}

#[cfg(all(test, feature = "ed25519", feature = "p256", feature = "rsa"))]
mod tests;
