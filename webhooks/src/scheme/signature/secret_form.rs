//! From the text that a provider shows to the bytes of a key. The same-looking text means different bytes
//! with different providers, so the scheme says which.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use rand::RngExt as _;

use super::key::Algorithm;
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
}

/// Vendors hand keys out with and without padding.
const KEY_BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl SecretForm {
    pub(super) const NAMES: [(&'static str, Self); 5] = [
        ("utf8", Self::Utf8),
        ("hex", Self::Hex),
        ("base64", Self::Base64),
        ("whsec", Self::Whsec),
        ("whsec-or-utf8", Self::WhsecOrUtf8),
    ];

    /// The key, or what is wrong and what to do.
    pub(in crate::scheme) fn decode(self, text: &str) -> Result<Vec<u8>, (&'static str, &'static str)> {
        // A public key is known to everybody: as a shared key it would let everybody sign.
        if text.trim_start().starts_with("whpk_") || text.contains("-----BEGIN") {
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
        };
        match key {
            None => Err(("the secret cannot be decoded", help)),
            Some(key) if key.is_empty() => Err(("the secret is empty", help)),
            Some(key) => Ok(key),
        }
    }

    /// A random secret of this form, with a key id in front where the scheme wants one.
    pub(super) fn generate(self, algorithm: Algorithm, with_key_id: bool) -> Option<Secret> {
        if algorithm.is_asymmetric() {
            return None;
        }
        let mut bytes = [0_u8; 32];
        rand::rng().fill(&mut bytes);
        let text = match self {
            Self::Utf8 | Self::Hex => hex::encode(bytes),
            Self::Base64 => KEY_BASE64.encode(bytes),
            Self::Whsec | Self::WhsecOrUtf8 => format!("whsec_{}", KEY_BASE64.encode(bytes)),
        };
        Some(Secret::new(if with_key_id { format!("development:{text}") } else { text }))
    }
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
        }
    }
}
