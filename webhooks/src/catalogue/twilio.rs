use std::borrow::Cow;

use http::HeaderName;

use crate::delivery::Delivery;
use crate::rejection::Rejection;
use crate::scheme::twilio::{SIGNATURE, TwilioVerifier};
use crate::scheme::{BindOptions, Request, SignatureValidator, Verified};
use crate::secret::Secret;

/// Verifies Twilio's `X-Twilio-Signature`, over the URL and the form's parameters.
///
/// As a validator of a source it needs the URL that Twilio was given, up to the path. An empty or placeholder
/// token verifies nothing.
///
/// ```
/// use webhooks::TwilioSignatureValidator;
///
/// let validator = TwilioSignatureValidator::new("twilio_auth_token_test");
/// let url = "https://example.com/webhooks/sms";
/// let parameters = [("Body", "Hello"), ("From", "+15551234567"), ("To", "+15559876543")];
///
/// assert!(validator.is_valid(url, &parameters, Some("7F4TnJ04UIeMWxaoX4TSzYN/4ig=")));
/// assert!(!validator.is_valid(url, &parameters[1..], Some("7F4TnJ04UIeMWxaoX4TSzYN/4ig=")));
/// ```
pub struct TwilioSignatureValidator {
    auth_token: Secret,
    verifier: Option<TwilioVerifier>,
}

impl TwilioSignatureValidator {
    /// A validator for an account's auth token.
    pub fn new(auth_token: impl Into<Secret>) -> Self {
        let auth_token = auth_token.into();
        let verifier = bind(&auth_token, None);
        Self { auth_token, verifier }
    }

    /// What stands in front of path and query in the URL that Twilio was given: `https://example.com`.
    #[must_use]
    pub fn with_public_url(self, url: &str) -> Self {
        let verifier = bind(&self.auth_token, Some(url.to_owned()));
        Self { verifier, ..self }
    }

    /// Whether a signature header's value is right for a URL and the form's decoded parameters, in any order.
    pub fn is_valid(
        &self,
        url: &str,
        parameters: &[(impl AsRef<str>, impl AsRef<str>)],
        signature: Option<&str>,
    ) -> bool {
        let (Some(verifier), Some(signature)) = (&self.verifier, signature) else { return false };
        let parameters = parameters
            .iter()
            .map(|(name, value)| (Cow::Borrowed(name.as_ref()), Cow::Borrowed(value.as_ref())));
        verifier.verify_parts(url, parameters.collect(), signature).is_ok()
    }
}

impl SignatureValidator for TwilioSignatureValidator {
    async fn validate(&self, delivery: &Delivery) -> Result<Verified, Rejection> {
        let verifier = self.verifier.as_ref().ok_or(Rejection::SignatureMismatch)?;
        verifier.verify(&Request::from(delivery))
    }

    fn required_headers(&self) -> Vec<HeaderName> {
        vec![SIGNATURE]
    }
}

fn bind(auth_token: &Secret, public_url: Option<String>) -> Option<TwilioVerifier> {
    let options = BindOptions { public_url, ..BindOptions::default() };
    TwilioVerifier::bind(std::slice::from_ref(auth_token), &options).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_parameters_does_not_matter() {
        let validator = TwilioSignatureValidator::new("twilio_auth_token_test");
        let parameters = [("To", "+15559876543"), ("Body", "Hello"), ("From", "+15551234567")];
        let signature = Some("7F4TnJ04UIeMWxaoX4TSzYN/4ig=");
        assert!(validator.is_valid("https://example.com/webhooks/sms", &parameters, signature));
        assert!(!validator.is_valid("https://example.com/webhooks/call", &parameters, signature));
        let none = TwilioSignatureValidator::new("");
        assert!(!none.is_valid("https://example.com/webhooks/sms", &parameters, signature));
    }
}
