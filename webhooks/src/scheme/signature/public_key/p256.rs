//! ECDSA over P-256: FIPS 186-5.

use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use p256::ecdsa::{Signature, VerifyingKey};
use p256::pkcs8::DecodePublicKey as _;

use super::{KeyBytes, KeyFlaw};

/// A point of the curve.
#[derive(Debug, Clone)]
pub(in crate::scheme) struct Key(VerifyingKey);

impl Key {
    /// Raw bytes are a point as SEC 1 writes it.
    pub(in crate::scheme) fn new(bytes: &KeyBytes) -> Result<Self, KeyFlaw> {
        let key = match bytes {
            KeyBytes::Raw(raw) => VerifyingKey::from_sec1_bytes(raw).ok(),
            KeyBytes::Spki(der) => VerifyingKey::from_public_key_der(der).ok(),
        };
        key.map(Self).ok_or(("this is not a public key on the curve P-256", "copy it again"))
    }

    /// For signatures in DER, and in no other encoding.
    pub(super) fn verify(&self, hash: &[u8; 32], signature: &[u8]) -> bool {
        Signature::from_der(signature).is_ok_and(|it| self.0.verify_prehash(hash, &it).is_ok())
    }

    /// For signatures in JSON Web Tokens, which are two numbers of fixed length: RFC 7518, section 3.4.
    #[cfg(feature = "fetch")]
    pub(in crate::scheme) fn verify_fixed(&self, hash: &[u8; 32], signature: &[u8]) -> bool {
        Signature::from_slice(signature).is_ok_and(|it| self.0.verify_prehash(hash, &it).is_ok())
    }
}
