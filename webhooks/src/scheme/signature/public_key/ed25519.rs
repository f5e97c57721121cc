//! Ed25519: RFC 8032.

use ed25519_dalek::{Signature, VerifyingKey};

use super::{KeyBytes, KeyFlaw};

/// What stands in front of the 32 bytes of a key in `SubjectPublicKeyInfo`: RFC 8410, section 4.
pub(in crate::scheme) const SPKI_HEAD: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A point of the curve.
#[derive(Debug, Clone)]
pub(in crate::scheme) struct Key(VerifyingKey);

impl Key {
    pub(super) fn new(bytes: &KeyBytes) -> Result<Self, KeyFlaw> {
        let raw = match bytes {
            KeyBytes::Raw(raw) => Some(raw.as_slice()),
            KeyBytes::Spki(der) => der.strip_prefix(&SPKI_HEAD),
        };
        let raw: Option<&[u8; 32]> = raw.and_then(|it| it.try_into().ok());
        let key = raw.and_then(|it| VerifyingKey::from_bytes(it).ok());
        match key {
            None => Err(("this is not an Ed25519 public key", "copy it again: it is 32 bytes")),
            // With a point of small order, signatures can be made that are right for any content.
            Some(key) if key.is_weak() => {
                Err(("this Ed25519 public key is one of those that are known to be weak", "copy it again"))
            }
            Some(key) => Ok(Self(key)),
        }
    }

    /// Strictly: neither another signature of the same content, nor one under a point of small order, passes.
    pub(super) fn verify(&self, content: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature).is_ok_and(|it| self.0.verify_strict(content, &it).is_ok())
    }
}
