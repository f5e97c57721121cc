//! ECDSA over P-256: FIPS 186-5.

use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};

use super::KeyBytes;

/// What stands in front of the point in `SubjectPublicKeyInfo`: RFC 5480, section 2.
const SPKI_HEAD: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A number of the group.
#[derive(Clone)]
pub(in crate::scheme) struct Key(SigningKey);

impl Key {
    pub(in crate::scheme) fn generate() -> Self {
        loop {
            // All but one in four thousand million numbers of 256 bits will do.
            if let Ok(key) = SigningKey::from_slice(&rand::random::<[u8; 32]>()) {
                return Self(key);
            }
        }
    }

    pub(super) fn public(&self) -> KeyBytes {
        KeyBytes::Spki([&SPKI_HEAD[..], &self.point()].concat())
    }

    /// The public point as SEC 1 writes it, uncompressed: 4, then two coordinates of 32 bytes.
    pub(in crate::scheme) fn point(&self) -> Vec<u8> {
        self.0.verifying_key().to_sec1_point(false).as_bytes().to_vec()
    }

    /// In DER.
    pub(super) fn sign(&self, content: &[u8]) -> Option<Vec<u8>> {
        let signature: Signature = self.0.try_sign(content).ok()?;
        Some(signature.to_der().as_bytes().to_vec())
    }

    /// As JSON Web Tokens have it: RFC 7518, section 3.4.
    #[cfg(feature = "fetch")]
    pub(in crate::scheme) fn sign_fixed(&self, content: &[u8]) -> Option<Vec<u8>> {
        let signature: Signature = self.0.try_sign(content).ok()?;
        Some(signature.to_bytes().to_vec())
    }
}
