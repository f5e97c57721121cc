use std::time::{Duration, SystemTime};

use http::HeaderName;

use super::single_header::SingleHeader;
use crate::delivery::Delivery;
use crate::problem::Problem;
use crate::rejection::Rejection;
use crate::scheme::{SignatureValidator, Verified};
use crate::secret::Secret;

/// Verifies Stripe's `Stripe-Signature`: `t=…,v1=…`, over timestamp and raw body.
///
/// A signature more than 300 s away from now is refused, unless said otherwise. An empty or placeholder secret
/// verifies nothing, and a source with one does not start.
///
/// ```
/// use webhooks::StripeSignatureValidator;
///
/// let validator = StripeSignatureValidator::new("whsec_test_stripe");
/// let body = br#"{"type":"payment_intent.succeeded"}"#;
/// let signature = "t=1700000000,v1=3fb799a5923c6af887841c90288a88daa7f597784f4997d355cbc24b55374e3d";
///
/// // The signature is right, but it was made in 2023.
/// assert!(!validator.is_valid(body, Some(signature)));
/// ```
pub struct StripeSignatureValidator(SingleHeader);

impl StripeSignatureValidator {
    /// A validator for an endpoint's signing secret, `whsec_` included.
    pub fn new(secret: impl Into<Secret>) -> Self {
        Self(SingleHeader::new("stripe", secret.into()))
    }

    /// How far a signature's time may lie from now, to either side.
    #[must_use]
    pub fn with_tolerance(self, tolerance: Duration) -> Self {
        Self(self.0.with_tolerance(tolerance))
    }

    /// Whether a signature header's value is right for a body, now.
    pub fn is_valid(&self, body: &[u8], signature: Option<&str>) -> bool {
        self.0.is_valid_at(body, signature, SystemTime::now())
    }
}

impl SignatureValidator for StripeSignatureValidator {
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

    const SIGNATURE: &str =
        "t=1700000000,v1=3fb799a5923c6af887841c90288a88daa7f597784f4997d355cbc24b55374e3d";
    const BODY: &[u8] = br#"{"type":"payment_intent.succeeded"}"#;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn the_window_is_300_seconds_to_either_side() {
        let validator = StripeSignatureValidator::new("whsec_test_stripe");
        for (now, valid) in
            [(1_699_999_699, false), (1_699_999_700, true), (1_700_000_300, true), (1_700_000_301, false)]
        {
            assert_eq!(validator.0.is_valid_at(BODY, Some(SIGNATURE), at(now)), valid, "{now}");
        }
        let patient = validator.with_tolerance(Duration::from_secs(600));
        assert!(patient.0.is_valid_at(BODY, Some(SIGNATURE), at(1_700_000_600)));
    }

    #[test]
    fn the_body_need_not_be_text() {
        let signature = "t=1700000000,v1=84f4c64356c036ee803dc8937088cb75b9c358379ec4bd21782f5e84722c27dd";
        let validator = StripeSignatureValidator::new("secret");
        assert!(validator.0.is_valid_at(b"\xff\x80\x00", Some(signature), at(1_700_000_000)));
    }
}
