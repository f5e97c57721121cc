use std::time::SystemTime;

use http::HeaderName;

use super::single_header::SingleHeader;
use crate::delivery::Delivery;
use crate::problem::Problem;
use crate::rejection::Rejection;
use crate::scheme::{SignatureValidator, Verified};
use crate::secret::Secret;

/// Verifies GitHub's `X-Hub-Signature-256`.
///
/// An empty or placeholder secret verifies nothing, and a source with one does not start.
///
/// ```
/// use webhooks::GitHubSignatureValidator;
///
/// let validator = GitHubSignatureValidator::new("github_webhook_secret");
/// let signature = "sha256=db93fd22c8c82e7f9b62bba53e12233f71789202419e30d9fda4ecb28bc0b9f7";
///
/// assert!(validator.is_valid(br#"{"action":"opened"}"#, Some(signature)));
/// assert!(!validator.is_valid(br#"{"action":"closed"}"#, Some(signature)));
/// ```
pub struct GitHubSignatureValidator(SingleHeader);

impl GitHubSignatureValidator {
    /// A validator for this secret.
    pub fn new(secret: impl Into<Secret>) -> Self {
        Self(SingleHeader::new("github", secret.into()))
    }

    /// Whether a signature header's value is right for a body.
    pub fn is_valid(&self, body: &[u8], signature: Option<&str>) -> bool {
        self.0.is_valid_at(body, signature, SystemTime::now())
    }
}

impl SignatureValidator for GitHubSignatureValidator {
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
    fn the_value_in_githubs_documentation() {
        let validator = GitHubSignatureValidator::new("It's a Secret to Everybody");
        let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert!(validator.is_valid(b"Hello, World!", Some(signature)));
        assert!(!validator.is_valid(b"Hello, World!", Some("sha256=")));
    }
}
