//! RSA with PKCS#1 v1.5 signatures: RFC 8017, section 8.2.

use rsa::pkcs8::DecodePublicKey as _;
use rsa::traits::PublicKeyParts as _;
use rsa::{Pkcs1v15Sign, PublicKey};
use sha2::Sha256;

use super::{KeyBytes, KeyFlaw};

/// The smallest modulus, in bits: NIST SP 800-131A Rev. 2, table 2.
const MIN_BITS: u32 = 2048;

/// Modulus and exponent.
#[derive(Debug, Clone)]
pub(in crate::scheme) struct Key(Box<PublicKey>);

impl Key {
    pub(in crate::scheme) fn new(bytes: &KeyBytes) -> Result<Self, KeyFlaw> {
        let key = match bytes {
            KeyBytes::Raw(_) => None,
            KeyBytes::Spki(der) => PublicKey::from_public_key_der(der).ok(),
        };
        let key = key.ok_or(("this is not an RSA public key", "copy it again, in PEM"))?;
        if key.n().bit_width_vartime() < MIN_BITS {
            return Err((
                "this RSA key is shorter than 2048 bits: signatures under it prove nothing",
                "ask the provider for a longer one",
            ));
        }
        Ok(Self(Box::new(key)))
    }

    /// For signatures over SHA-256.
    pub(in crate::scheme) fn verify(&self, hash: &[u8; 32], signature: &[u8]) -> bool {
        self.0.verify(Pkcs1v15Sign::new::<Sha256>(), hash, signature).is_ok()
    }

    /// For signatures over SHA-1.
    #[cfg(feature = "fetch")]
    pub(in crate::scheme) fn verify_sha1(&self, hash: &[u8; 20], signature: &[u8]) -> bool {
        self.0.verify(Pkcs1v15Sign::new::<sha1::Sha1>(), hash, signature).is_ok()
    }
}
