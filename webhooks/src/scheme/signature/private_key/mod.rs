//! Keys that sign, made for a test: the twins of [`public_key`](super::public_key).

#[cfg(feature = "ed25519")]
mod ed25519;
#[cfg(feature = "p256")]
mod p256;
#[cfg(feature = "rsa")]
mod rsa;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::SignatureScheme;
use super::key::Algorithm;
use super::pem;
use super::public_key::KeyBytes;
use super::secret_form::SecretForm;
use crate::secret::Secret;

#[cfg(all(feature = "fetch", feature = "p256"))]
pub(in crate::scheme) use p256::Key as PrivateP256Key;
#[cfg(feature = "fetch")]
pub(in crate::scheme) use rsa::Key as PrivateRsaKey;

/// Which RSA key is made: they take long to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RsaKeys {
    /// One that nobody else has.
    Fresh,
    /// The same for the whole process.
    OfProcess,
}

/// A private key of a known algorithm. Without any engine there is none.
#[derive(Clone)]
pub(in crate::scheme) enum PrivateKey {
    #[cfg(feature = "ed25519")]
    Ed25519(ed25519::Key),
    #[cfg(feature = "p256")]
    P256(p256::Key),
    #[cfg(feature = "rsa")]
    Rsa(rsa::Key),
}

impl PrivateKey {
    /// A random one; `None` where this build has no engine for the algorithm, or its keys are shared.
    #[cfg_attr(not(feature = "rsa"), expect(unused_variables, reason = "there are none"))]
    pub(in crate::scheme) fn generate(algorithm: Algorithm, rsa: RsaKeys) -> Option<Self> {
        match algorithm {
            #[cfg(feature = "ed25519")]
            Algorithm::Ed25519 => Some(Self::Ed25519(ed25519::Key::generate())),
            #[cfg(feature = "p256")]
            Algorithm::EcdsaP256Sha256 => Some(Self::P256(p256::Key::generate())),
            #[cfg(feature = "rsa")]
            Algorithm::RsaSha256 => rsa::Key::generate(rsa).map(Self::Rsa),
            _ => None,
        }
    }

    /// The public key that belongs to it, as a source's `secret` has it.
    pub(in crate::scheme) fn public(&self, form: SecretForm) -> Option<String> {
        form.encode_public(&self.public_bytes(form.is_raw())?)
    }

    #[cfg_attr(
        not(any(feature = "ed25519", feature = "p256", feature = "rsa")),
        expect(unused_variables, reason = "without an engine there is no key")
    )]
    fn public_bytes(&self, raw: bool) -> Option<KeyBytes> {
        match *self {
            #[cfg(feature = "ed25519")]
            Self::Ed25519(ref key) => Some(key.public(raw)),
            #[cfg(feature = "p256")]
            Self::P256(ref key) => (!raw).then(|| key.public()),
            #[cfg(feature = "rsa")]
            Self::Rsa(ref key) if !raw => key.public(),
            #[cfg(feature = "rsa")]
            Self::Rsa(_) => None,
        }
    }

    /// The signature of a content, as the public key expects it.
    #[cfg_attr(
        not(any(feature = "ed25519", feature = "p256", feature = "rsa")),
        expect(unused_variables, reason = "without an engine there is no key")
    )]
    pub(super) fn sign(&self, content: &[u8]) -> Option<Vec<u8>> {
        match *self {
            #[cfg(feature = "ed25519")]
            Self::Ed25519(ref key) => Some(key.sign(content)),
            #[cfg(feature = "p256")]
            Self::P256(ref key) => key.sign(content),
            #[cfg(feature = "rsa")]
            Self::Rsa(ref key) => key.sign_sha256(content),
        }
    }
}

impl SignatureScheme {
    /// A random key to sign with, for schemes that verify with a public one.
    pub(in crate::scheme) fn generate_private_key(&self, rsa: RsaKeys) -> Option<PrivateKey> {
        let Self::Declared(it) = self else { return None };
        PrivateKey::generate(it.algorithm, rsa)
    }

    /// What a source's `secret` is for a private key.
    pub(in crate::scheme) fn public_key(&self, key: &PrivateKey) -> Option<Secret> {
        let Self::Declared(it) = self else { return None };
        let text = key.public(it.secret)?;
        Some(Secret::new(if it.key_id.is_some() { format!("testing:{text}") } else { text }))
    }
}

impl SecretForm {
    /// The inverse of [`SecretForm::decode_public`].
    fn encode_public(self, key: &KeyBytes) -> Option<String> {
        match (self, key) {
            (Self::HexPublicKey, KeyBytes::Raw(raw)) => Some(hex::encode(raw)),
            (Self::Whpk, KeyBytes::Raw(raw)) => Some(format!("whpk_{}", STANDARD.encode(raw))),
            (Self::Spki, KeyBytes::Spki(der)) => Some(STANDARD.encode(der)),
            (Self::Pem, KeyBytes::Spki(der)) => Some(pem::encode(der, "PUBLIC KEY")),
            _ => None,
        }
    }
}

#[cfg(all(test, feature = "ed25519", feature = "p256", feature = "rsa"))]
mod tests {
    use super::super::public_key::PublicKey;
    use super::*;

    /// Every form that goes with each algorithm.
    #[test]
    fn what_a_private_key_signs_its_public_one_verifies() {
        let raw = [SecretForm::HexPublicKey, SecretForm::Whpk];
        for algorithm in [Algorithm::Ed25519, Algorithm::EcdsaP256Sha256, Algorithm::RsaSha256] {
            let (key, stranger) = (generate(algorithm), generate(algorithm));
            let signature = key.sign(b"content").expect("a signature");
            for form in [SecretForm::Pem, SecretForm::Spki].into_iter().chain(raw) {
                if algorithm != Algorithm::Ed25519 && form.is_raw() {
                    assert_eq!(key.public(form), None, "{form:?}");
                    continue;
                }
                assert!(accepts(algorithm, form, &key, b"content", &signature), "{algorithm:?} {form:?}");
                assert!(!accepts(algorithm, form, &key, b"contemt", &signature), "{algorithm:?} {form:?}");
                assert!(
                    !accepts(algorithm, form, &stranger, b"content", &signature),
                    "{algorithm:?} {form:?}"
                );
            }
        }
    }

    fn generate(algorithm: Algorithm) -> PrivateKey {
        PrivateKey::generate(algorithm, RsaKeys::Fresh).expect("an engine")
    }

    fn accepts(
        algorithm: Algorithm,
        form: SecretForm,
        key: &PrivateKey,
        content: &[u8],
        signature: &[u8],
    ) -> bool {
        let text = key.public(form).expect("a public key");
        let bytes = form.decode_public(&text).expect("readable");
        let public = PublicKey::new(algorithm, &bytes).expect("an engine").expect("a key");
        public.matches_any(|sink| sink(content), &[super::super::format::Signature::from_slice(signature)])
    }
}
