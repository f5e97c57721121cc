use std::borrow::Cow;

use http::HeaderName;

use crate::delivery::Delivery;
use crate::problem::Problem;
use crate::rejection::Rejection;
use crate::scheme::twilio::{SIGNATURE, TwilioVerifier};
use crate::scheme::{BindOptions, Request, SecretProblem, SignatureValidator, Verified};
use crate::secret::Secret;

/// Verifies Twilio's `X-Twilio-Signature`, over the URL and the form's parameters.
///
/// As a validator of a source it needs [the URL](Self::with_public_url) that Twilio was given, up to the path, and a
/// source without does not start. An empty or placeholder token verifies nothing; with one, it does not start either.
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
    public_url: Option<String>,
    verifier: Option<TwilioVerifier>,
}

impl TwilioSignatureValidator {
    /// A validator for an account's auth token.
    pub fn new(auth_token: impl Into<Secret>) -> Self {
        Self { auth_token: auth_token.into(), public_url: None, verifier: None }.bound()
    }

    /// What stands in front of path and query in the URL that Twilio was given: `https://example.com`.
    #[must_use]
    pub fn with_public_url(self, url: &str) -> Self {
        Self { public_url: Some(url.to_owned()), ..self }.bound()
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

    fn bound(mut self) -> Self {
        self.verifier = self.bind().ok();
        self
    }

    fn bind(&self) -> Result<TwilioVerifier, Vec<SecretProblem>> {
        let options = BindOptions { public_url: self.public_url.clone(), ..BindOptions::default() };
        TwilioVerifier::bind(std::slice::from_ref(&self.auth_token), &options)
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

    fn problems(&self) -> Vec<Problem> {
        let flaws = self.bind().err().into_iter().flatten().map(Problem::from);
        let without_url = self.public_url.is_none().then(|| {
            let help =
                "add `.with_public_url(\"https://example.com\")`: what Twilio was given, up to the path";
            Problem::new("Twilio signs the URL", help)
        });
        flaws.chain(without_url).collect()
    }
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
