//! From the text that a provider shows to the bytes of a key. The same-looking text means different bytes
//! with different providers, so the scheme says which.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use rand::RngExt as _;

use super::key::Algorithm;
use super::pem;
use super::public_key::{KeyBytes, KeyFlaw};
use crate::secret::Secret;

/// How a secret's text becomes a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SecretForm {
    /// The text itself, never trimmed or decoded.
    Utf8,
    Hex,
    Base64,
    /// Base64 after an optional `whsec_`.
    Whsec,
    /// Base64 after `whsec_`; without that prefix the text itself.
    WhsecOrUtf8,
    /// A public key's own bytes, as hexadecimal digits.
    HexPublicKey,
    /// A public key's own bytes, as base64 after an optional `whpk_`.
    Whpk,
    /// A public key as `SubjectPublicKeyInfo`, in base64.
    Spki,
    /// The same between the lines of PEM.
    Pem,
}

/// Vendors hand keys out with and without padding.
const KEY_BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl SecretForm {
    pub(super) const NAMES: [(&'static str, Self); 9] = [
        ("utf8", Self::Utf8),
        ("hex", Self::Hex),
        ("base64", Self::Base64),
        ("whsec", Self::Whsec),
        ("whsec-or-utf8", Self::WhsecOrUtf8),
        ("hex-public-key", Self::HexPublicKey),
        ("whpk", Self::Whpk),
        ("spki", Self::Spki),
        ("pem", Self::Pem),
    ];

    /// Whether it is known to everybody.
    pub(super) fn is_public(self) -> bool {
        matches!(self, Self::HexPublicKey | Self::Whpk | Self::Spki | Self::Pem)
    }

    /// Whether keys of this form do not say what algorithm they are for.
    pub(super) fn is_raw(self) -> bool {
        matches!(self, Self::HexPublicKey | Self::Whpk)
    }

    /// The shared key, or what is wrong and what to do.
    pub(in crate::scheme) fn decode(self, text: &str) -> Result<Vec<u8>, KeyFlaw> {
        // A public key is known to everybody: as a shared key it would let everybody sign.
        if self.is_public() || is_public_key(text) {
            return Err((
                "this is a public key, and this scheme signs with a shared secret",
                "copy the signing secret, or choose the provider's variant that verifies with a public key",
            ));
        }
        let base64 = |text: &str| KEY_BASE64.decode(text).ok();
        let (key, help) = match self {
            Self::Utf8 => (Some(text.as_bytes().to_vec()), ""),
            Self::Hex => (hex::decode(text).ok(), "this provider's secrets are hexadecimal digits"),
            Self::Base64 => (base64(text), "this provider's secrets are base64"),
            Self::Whsec => (
                base64(text.strip_prefix("whsec_").unwrap_or(text)),
                "this provider's secrets are `whsec_` and base64",
            ),
            Self::WhsecOrUtf8 => match text.strip_prefix("whsec_") {
                Some(encoded) => (base64(encoded), "what follows `whsec_` is base64"),
                None => (Some(text.as_bytes().to_vec()), ""),
            },
            Self::HexPublicKey | Self::Whpk | Self::Spki | Self::Pem => (None, ""),
        };
        match key {
            None => Err(("the secret cannot be decoded", help)),
            Some(key) if key.is_empty() => Err(("the secret is empty", help)),
            Some(key) => Ok(key),
        }
    }

    /// The public key, or what is wrong and what to do.
    pub(in crate::scheme) fn decode_public(self, text: &str) -> Result<KeyBytes, KeyFlaw> {
        let text = text.trim();
        if text.starts_with("whsec_") || text.starts_with("whsk_") || text.contains("PRIVATE KEY-----") {
            return Err((
                "this is a secret, and this scheme verifies with a public key",
                "copy the public key",
            ));
        }
        let base64 = |text: &str| KEY_BASE64.decode(text).ok();
        let (key, help) = match self {
            Self::HexPublicKey => {
                (hex::decode(text).ok().map(KeyBytes::Raw), "this provider's keys are hexadecimal digits")
            }
            Self::Whpk => (
                base64(text.strip_prefix("whpk_").unwrap_or(text)).map(KeyBytes::Raw),
                "this provider's public keys are `whpk_` and base64",
            ),
            Self::Spki => (base64(text).map(KeyBytes::Spki), "this provider's public keys are base64"),
            Self::Pem => (
                pem::decode(text, "PUBLIC KEY").map(KeyBytes::Spki),
                "copy all of it, from `-----BEGIN PUBLIC KEY-----` to `-----END PUBLIC KEY-----`",
            ),
            Self::Utf8 | Self::Hex | Self::Base64 | Self::Whsec | Self::WhsecOrUtf8 => (None, ""),
        };
        key.ok_or(("the public key cannot be decoded", help))
    }

    /// A random secret of this form, with a key id in front where the scheme wants one.
    pub(in crate::scheme) fn generate(self, algorithm: Algorithm, with_key_id: bool) -> Option<Secret> {
        // A private key would have to be kept somewhere, and nothing here signs with one.
        if algorithm.is_asymmetric() || self.is_public() {
            return None;
        }
        let mut bytes = [0_u8; 32];
        rand::rng().fill(&mut bytes);
        let text = match self {
            Self::Utf8 | Self::Hex => hex::encode(bytes),
            Self::Base64 => KEY_BASE64.encode(bytes),
            Self::Whsec | Self::WhsecOrUtf8 => format!("whsec_{}", KEY_BASE64.encode(bytes)),
            Self::HexPublicKey | Self::Whpk | Self::Spki | Self::Pem => return None,
        };
        Some(Secret::new(if with_key_id { format!("development:{text}") } else { text }))
    }
}

/// Whether a text is a public key in one of the forms that can be told from a secret.
fn is_public_key(text: &str) -> bool {
    /// How `SubjectPublicKeyInfo` begins in base64: Ed25519 (RFC 8410), P-256 (RFC 5480), RSA of 2048 to 8192 bits
    /// (RFC 3279; the characters in front hold the lengths).
    const SPKI: [&str; 2] = ["MCowBQYDK2VwAyEA", "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE"];
    const RSA_SPKI: &str = "ANBgkqhkiG9w0BAQEFAAOC";
    let text = text.trim_start();
    text.starts_with("whpk_")
        || text.contains("-----BEGIN")
        || SPKI.iter().any(|head| text.starts_with(head))
        || text.starts_with("MII") && text.get(6..).is_some_and(|rest| rest.starts_with(RSA_SPKI))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_text_is_another_key_in_another_form() {
        assert_eq!(SecretForm::Utf8.decode(" whsec_AAAA\n"), Ok(b" whsec_AAAA\n".to_vec()));
        assert_eq!(SecretForm::Whsec.decode("whsec_AAAA"), Ok(vec![0, 0, 0]));
        assert_eq!(SecretForm::Whsec.decode("AAAA"), Ok(vec![0, 0, 0]));
        assert_eq!(SecretForm::WhsecOrUtf8.decode("AAAA"), Ok(b"AAAA".to_vec()));
        assert_eq!(SecretForm::Hex.decode("00fF"), Ok(vec![0, 255]));
        assert!(SecretForm::Hex.decode("xyz").is_err());
        assert!(SecretForm::Whsec.decode("whsec_").is_err());
    }

    #[test]
    fn public_key_as_hmac() {
        for form in SecretForm::NAMES {
            assert!(form.1.decode("whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=").is_err());
            assert!(form.1.decode("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----").is_err());
            assert!(form.1.decode("MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=").is_err());
            assert!(form.1.decode("MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA").is_err());
        }
    }

    #[test]
    fn a_secret_is_no_public_key() {
        for form in SecretForm::NAMES {
            assert!(form.1.decode_public("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").is_err());
            assert!(
                form.1.decode_public("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----").is_err()
            );
        }
        assert_eq!(SecretForm::Whpk.decode_public("whpk_AAAA"), Ok(KeyBytes::Raw(vec![0, 0, 0])));
        assert_eq!(SecretForm::HexPublicKey.decode_public("00fF"), Ok(KeyBytes::Raw(vec![0, 255])));
        assert_eq!(SecretForm::Spki.decode_public("AAAA"), Ok(KeyBytes::Spki(vec![0, 0, 0])));
        assert!(SecretForm::Pem.decode_public("AAAA").is_err());
    }
}
