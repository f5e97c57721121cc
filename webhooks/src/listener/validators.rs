//! Validators of the user's own, by name: what `#[webhook_validator]` leaves behind.

use std::fmt;
use std::sync::Arc;

use crate::scheme::{DynSignatureValidator, SignatureValidator};
use crate::secret::Secret;

/// A source's secrets, as a validator of the user's own is made from.
///
/// ```
/// use webhooks::{HmacSignatureValidator, Secrets, SignatureValidator, webhook_validator};
///
/// #[webhook_validator(name = "partner")]
/// fn partner(secrets: Secrets) -> Result<impl SignatureValidator, String> {
///     let secret = secrets.first().ok_or("the partner's secret is missing")?;
///     Ok(HmacSignatureValidator::new(secret.reveal()).with_header_prefix("v1="))
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Secrets(Vec<Secret>);

impl Secrets {
    pub(crate) fn new(secrets: Vec<Secret>) -> Self {
        Self(secrets)
    }
}

impl std::ops::Deref for Secrets {
    type Target = [Secret];

    fn deref(&self) -> &[Secret] {
        &self.0
    }
}

/// A validator whose type is erased.
#[doc(hidden)]
#[derive(Clone)]
pub struct DynValidator(pub(crate) Arc<dyn DynSignatureValidator>);

impl fmt::Debug for DynValidator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DynValidator")
    }
}

/// What `#[webhook_validator]` registers.
#[doc(hidden)]
pub struct ValidatorRegistration {
    pub name: &'static str,
    pub file: &'static str,
    pub line: u32,
    pub build: fn(Secrets) -> Result<DynValidator, String>,
}

inventory::collect!(ValidatorRegistration);

/// What an annotated function may return: a validator, or a `Result` of one.
///
/// `M` tells the two apart, for a type could be both.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "a webhook validator's function cannot return `{Self}`",
    note = "return `impl SignatureValidator`, or a `Result` of one"
)]
pub trait IntoValidator<M> {
    fn into_validator(self) -> Result<DynValidator, String>;
}

#[doc(hidden)]
#[derive(Debug)]
pub struct Plain;

#[doc(hidden)]
#[derive(Debug)]
pub struct Fallible;

impl<V: SignatureValidator> IntoValidator<Plain> for V {
    fn into_validator(self) -> Result<DynValidator, String> {
        Ok(DynValidator(Arc::new(self)))
    }
}

impl<V: SignatureValidator, E: fmt::Display> IntoValidator<Fallible> for Result<V, E> {
    fn into_validator(self) -> Result<DynValidator, String> {
        self.map(|validator| DynValidator(Arc::new(validator))).map_err(|error| error.to_string())
    }
}

#[doc(hidden)]
pub fn build_validator<M>(validator: impl IntoValidator<M>) -> Result<DynValidator, String> {
    validator.into_validator()
}

/// All validators that the attribute registered anywhere in this binary, sorted by name.
pub(crate) fn registered() -> Vec<&'static ValidatorRegistration> {
    let mut all: Vec<_> = inventory::iter::<ValidatorRegistration>.into_iter().collect();
    all.sort_by_key(|it| (it.name, it.file, it.line));
    all
}
