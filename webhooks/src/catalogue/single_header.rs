//! What the validators of one signature header share.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, Method};

use crate::delivery::Delivery;
use crate::problem::Problem;
use crate::rejection::Rejection;
use crate::scheme::{BindOptions, Request, SecretProblem, SignatureScheme, Verified, Verifier};
use crate::secret::Secret;

/// A scheme of the catalogue bound to one secret. A secret that cannot be one verifies nothing.
pub(super) struct SingleHeader {
    scheme: Option<SignatureScheme>,
    secret: Secret,
    tolerance: Option<Duration>,
    verifier: Option<Verifier>,
}

impl SingleHeader {
    pub(super) fn new(provider: &str, secret: Secret) -> Self {
        let scheme = super::provider(provider).map(|it| it.signature);
        Self { scheme, secret, tolerance: None, verifier: None }.bound()
    }

    pub(super) fn with_scheme(self, change: impl FnOnce(SignatureScheme) -> SignatureScheme) -> Self {
        Self { scheme: self.scheme.map(change), ..self }.bound()
    }

    pub(super) fn with_tolerance(self, tolerance: Duration) -> Self {
        Self { tolerance: Some(tolerance), ..self }.bound()
    }

    pub(super) fn required_headers(&self) -> Vec<HeaderName> {
        self.header().cloned().into_iter().collect()
    }

    pub(super) fn validate(&self, delivery: &Delivery) -> Result<Verified, Rejection> {
        self.verifier.as_ref().ok_or(Rejection::SignatureMismatch)?.verify(delivery)
    }

    pub(super) fn is_valid_at(&self, body: &[u8], signature: Option<&str>, now: SystemTime) -> bool {
        let (Some(verifier), Some(signature)) = (&self.verifier, signature) else { return false };
        let headers = HeaderMap::new();
        let request =
            Request { method: &Method::POST, path_and_query: "/", headers: &headers, body, received_at: now };
        verifier.verify_text(&request, signature).is_ok()
    }

    /// What is wrong with the secret.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let bound = self.scheme.as_ref().map(|scheme| self.bind(scheme));
        bound.and_then(Result::err).into_iter().flatten().map(Problem::from).collect()
    }

    fn header(&self) -> Option<&HeaderName> {
        self.scheme.as_ref().and_then(SignatureScheme::header)
    }

    fn bound(mut self) -> Self {
        self.verifier = self.scheme.as_ref().and_then(|scheme| self.bind(scheme).ok());
        self
    }

    fn bind(&self, scheme: &SignatureScheme) -> Result<Verifier, Vec<SecretProblem>> {
        let options = BindOptions { tolerance: self.tolerance, ..BindOptions::default() };
        scheme.bind(std::slice::from_ref(&self.secret), &options)
    }
}
