//! Ed25519: RFC 8032.

use ed25519_dalek::{Signer as _, SigningKey};

use super::KeyBytes;
use crate::scheme::signature::public_key::ED25519_SPKI_HEAD;

/// A seed.
#[derive(Clone)]
pub(in crate::scheme) struct Key(SigningKey);

impl Key {
    pub(super) fn generate() -> Self {
        Self(SigningKey::from_bytes(&rand::random()))
    }

    pub(super) fn public(&self, raw: bool) -> KeyBytes {
        let point = self.0.verifying_key().to_bytes();
        if raw {
            KeyBytes::Raw(point.to_vec())
        } else {
            KeyBytes::Spki([&ED25519_SPKI_HEAD[..], &point].concat())
        }
    }

    pub(super) fn sign(&self, content: &[u8]) -> Vec<u8> {
        self.0.sign(content).to_bytes().to_vec()
    }
}
