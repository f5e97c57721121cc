use std::time::SystemTime;

use http::HeaderName;

use super::single_header::SingleHeader;
use crate::delivery::Delivery;
use crate::problem::Problem;
use crate::rejection::Rejection;
use crate::scheme::{SignatureValidator, Verified};
use crate::secret::Secret;

/// Verifies an HMAC-SHA256 of the raw body, in hexadecimal behind a prefix.
///
/// The header is `X-Signature` and the prefix `sha256=`, unless said otherwise. An empty or placeholder secret
/// verifies nothing, and a source with one does not start.
///
/// ```
/// use webhooks::HmacSignatureValidator;
///
/// let validator = HmacSignatureValidator::new("topsecret");
/// let body = br#"{"type": "payment.succeeded"}"#;
/// let signature = "sha256=9134b696c4e69f5e681d6c7413a310bac5a5adc4093a370643d5c9b8d6a62baf";
///
/// assert!(validator.is_valid(body, Some(signature)));
/// assert!(!validator.is_valid(b"{}", Some(signature)));
/// assert!(!validator.is_valid(body, None));
/// ```
pub struct HmacSignatureValidator(SingleHeader);

impl HmacSignatureValidator {
    /// A validator for this secret, whose UTF-8 bytes are the key.
    pub fn new(secret: impl Into<Secret>) -> Self {
        Self(SingleHeader::new("hmac", secret.into()))
    }

    /// What stands in front of the digits; may be empty.
    #[must_use]
    pub fn with_header_prefix(self, prefix: &str) -> Self {
        Self(self.0.with_scheme(|scheme| scheme.with_prefix(prefix)))
    }

    /// The header that carries the signature.
    #[must_use]
    pub fn with_header(self, name: HeaderName) -> Self {
        Self(self.0.with_scheme(|scheme| scheme.with_header(name)))
    }

    /// Whether a signature header's value is right for a body.
    pub fn is_valid(&self, body: &[u8], signature: Option<&str>) -> bool {
        self.0.is_valid_at(body, signature, SystemTime::now())
    }
}

impl SignatureValidator for HmacSignatureValidator {
    async fn validate(&self, delivery: &Delivery) -> Result<Verified, Rejection> {
        self.0.validate(delivery)
    }

    fn required_headers(&self) -> Vec<HeaderName> {
        self.0.required_headers()
    }

    fn problems(&self) -> Vec<Problem> {
        self.0.problems()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_and_header_are_the_users() {
        let digits = "9134b696c4e69f5e681d6c7413a310bac5a5adc4093a370643d5c9b8d6a62baf";
        let body = br#"{"type": "payment.succeeded"}"#;
        let bare = HmacSignatureValidator::new("topsecret").with_header_prefix("");
        assert!(bare.is_valid(body, Some(digits)));
        assert!(bare.is_valid(body, Some(&digits.to_uppercase())));
        let moved = HmacSignatureValidator::new("topsecret").with_header(HeaderName::from_static("x-mac"));
        assert!(moved.is_valid(body, Some(&format!("sha256={digits}"))));
        assert_eq!(moved.required_headers(), ["x-mac"]);
    }

    #[test]
    fn an_empty_secret_verifies_nothing() {
        // The MAC of `{}` under the empty key.
        let signature = "sha256=22f8eea909400af98adf3681a9f31923ef6b7fcba4abb553d92823a3e9d5c25e";
        assert!(!HmacSignatureValidator::new("").is_valid(b"{}", Some(signature)));
        assert!(!HmacSignatureValidator::new(" ").is_valid(b"{}", Some(signature)));
    }
}
