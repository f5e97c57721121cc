use crate::delivery::Delivery;
use crate::rejection::Rejection;
use crate::scheme::{SignatureValidator, Verified};

/// Accepts every request, whoever sent it. For development, or behind something that has verified already.
///
/// Its events say `is_verified() == false`, and a source that uses it is warned about at startup.
///
/// ```
/// use webhooks::NoOpSignatureValidator;
///
/// assert!(NoOpSignatureValidator.is_valid(b"anything", None));
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct NoOpSignatureValidator;

impl NoOpSignatureValidator {
    /// Always `true`.
    pub fn is_valid(&self, _body: &[u8], _signature: Option<&str>) -> bool {
        true
    }
}

impl SignatureValidator for NoOpSignatureValidator {
    async fn validate(&self, _delivery: &Delivery) -> Result<Verified, Rejection> {
        Ok(Verified::unsigned())
    }

    fn accepts_everyone(&self) -> bool {
        true
    }
}
