//! Signature validators written in code, and what every verification results in.

use std::future::Future;
use std::pin::Pin;
use std::time::SystemTime;

use http::HeaderName;

use crate::delivery::Delivery;
use crate::problem::Problem;
use crate::rejection::Rejection;

/// Decides whether a delivery is truly its vendor's.
///
/// Implement it for a scheme that the provider language cannot express. It sees the raw body and the headers
/// as received; it may await, since some vendors' keys must be fetched.
///
/// ```
/// use webhooks::{Delivery, Rejection, SignatureValidator, Verified};
///
/// struct SharedWord;
///
/// impl SignatureValidator for SharedWord {
///     async fn validate(&self, delivery: &Delivery) -> Result<Verified, Rejection> {
///         match delivery.headers().get("x-word") {
///             None => Err(Rejection::SignatureMissing),
///             Some(word) if word == "sesame" => Ok(Verified::new()),
///             Some(_) => Err(Rejection::SignatureMismatch),
///         }
///     }
/// }
/// ```
pub trait SignatureValidator: Send + Sync + 'static {
    /// Accepts or rejects a delivery.
    fn validate(&self, delivery: &Delivery) -> impl Future<Output = Result<Verified, Rejection>> + Send;

    /// Headers without which a delivery is rejected before its body is read.
    fn required_headers(&self) -> Vec<HeaderName> {
        Vec::new()
    }

    /// What keeps it from ever accepting a genuine delivery, such as a secret that is empty. Asked once, at startup: a
    /// source whose validator has any does not start.
    fn problems(&self) -> Vec<Problem> {
        Vec::new()
    }

    /// Whether it lets everyone through. Asked once, at startup, which then warns.
    fn accepts_everyone(&self) -> bool {
        false
    }
}

/// The outcome of a successful verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    secret_index: Option<usize>,
    signed_at: Option<SystemTime>,
    signed: bool,
}

impl Verified {
    /// A verified delivery, nothing more being known.
    #[expect(clippy::new_without_default, reason = "being verified is never a default")]
    pub fn new() -> Self {
        Self { secret_index: None, signed_at: None, signed: true }
    }

    /// Verified with the source's secret of this index: during a rotation it tells which one is in use.
    pub fn by_secret(index: usize) -> Self {
        Self { secret_index: Some(index), ..Self::new() }
    }

    /// Adds when the vendor signed the request.
    #[must_use]
    pub fn with_signed_at(mut self, at: SystemTime) -> Self {
        self.signed_at = Some(at);
        self
    }

    /// Let through without a signature, since the source asks for none.
    pub(crate) fn unsigned() -> Self {
        Self { signed: false, ..Self::new() }
    }

    /// Which of the source's secrets matched, if the scheme knows secrets.
    pub fn secret_index(&self) -> Option<usize> {
        self.secret_index
    }

    /// When the vendor signed the request, by the vendor's clock, if the scheme signs a time.
    pub fn signed_at(&self) -> Option<SystemTime> {
        self.signed_at
    }

    /// Whether there was a signature at all: `false` where the source asks for none.
    pub fn is_signed(&self) -> bool {
        self.signed
    }
}

/// The object-safe twin of [`SignatureValidator`].
pub(crate) trait DynSignatureValidator: Send + Sync + 'static {
    fn validate_boxed<'a>(
        &'a self,
        delivery: &'a Delivery,
    ) -> Pin<Box<dyn Future<Output = Result<Verified, Rejection>> + Send + 'a>>;

    fn required_headers(&self) -> Vec<HeaderName>;
    fn problems(&self) -> Vec<Problem>;
    fn accepts_everyone(&self) -> bool;
}

impl<V: SignatureValidator> DynSignatureValidator for V {
    fn validate_boxed<'a>(
        &'a self,
        delivery: &'a Delivery,
    ) -> Pin<Box<dyn Future<Output = Result<Verified, Rejection>> + Send + 'a>> {
        Box::pin(self.validate(delivery))
    }

    fn required_headers(&self) -> Vec<HeaderName> {
        SignatureValidator::required_headers(self)
    }

    fn problems(&self) -> Vec<Problem> {
        SignatureValidator::problems(self)
    }

    fn accepts_everyone(&self) -> bool {
        SignatureValidator::accepts_everyone(self)
    }
}
