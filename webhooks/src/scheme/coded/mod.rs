//! The few schemes that the language cannot express: one file each.

mod adyen;
mod braintree;
pub(super) mod client_state;
mod contentful;
pub(super) mod jwt;
mod monday;
mod netlify;
pub(crate) mod twilio;

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue};

use super::request::{Request, single};
use super::signature::{
    Algorithm, BindOptions, BodyCoverage, Covers, Key, KeyFlaw, SecretForm, SecretProblem, Signed,
};
use super::validator::Verified;
use crate::rejection::Rejection;
use crate::secret::Secret;

/// A scheme in code, named by `validator = "…"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coded {
    Adyen,
    Braintree,
    ClientState,
    Contentful,
    Monday,
    Netlify,
    Twilio,
}

/// A scheme in code with its keys.
pub(super) trait CodedVerifier: Send + Sync + 'static {
    /// What the headers alone condemn.
    fn precheck(&self, headers: &HeaderMap) -> Result<(), Rejection>;

    fn verify(&self, request: &Request<'_>) -> Result<Verified, Rejection>;

    /// What makes a request a valid one, signed with the first secret; `None` where the body lacks what is signed.
    fn sign(&self, request: &Request<'_>, at: SystemTime) -> Option<Signed>;
}

impl Coded {
    pub(super) const NAMES: [(&'static str, Self); 7] = [
        ("adyen", Self::Adyen),
        ("braintree", Self::Braintree),
        ("client-state", Self::ClientState),
        ("contentful", Self::Contentful),
        ("monday", Self::Monday),
        ("netlify", Self::Netlify),
        ("twilio", Self::Twilio),
    ];

    pub(super) fn covers(self) -> Covers {
        let (body, time) = match self {
            // Eight fields of each item.
            Self::Adyen => (BodyCoverage::Partial, false),
            Self::Braintree | Self::Netlify => (BodyCoverage::Full, false),
            Self::Contentful => (BodyCoverage::Full, true),
            Self::ClientState => (BodyCoverage::None, false),
            // The token names the account and nothing of what happened in it.
            Self::Monday => (BodyCoverage::None, true),
            // Names and values are joined without separators: `a=bc` and `ab=c` have the same signature.
            Self::Twilio => (BodyCoverage::Weak, false),
        };
        Covers { body, time, url: self == Self::Twilio }
    }

    /// How long a signature is good in all; `None` where nothing, or only a token's own claims, limits it.
    pub(super) fn validity(self, tolerance: Option<Duration>) -> Option<Duration> {
        (self == Self::Contentful).then(|| tolerance.unwrap_or(contentful::TOLERANCE).saturating_mul(2))
    }

    /// The header that carries the signature; `None`: it stands in the body.
    pub(super) fn credential_header(self) -> Option<HeaderName> {
        match self {
            Self::Adyen | Self::Braintree | Self::ClientState => None,
            Self::Contentful => Some(contentful::SIGNATURE),
            Self::Monday => Some(http::header::AUTHORIZATION),
            Self::Netlify => Some(netlify::SIGNATURE),
            Self::Twilio => Some(twilio::SIGNATURE),
        }
    }

    pub(super) fn bind(
        self,
        secrets: &[Secret],
        options: &BindOptions,
    ) -> Result<Box<dyn CodedVerifier>, Vec<SecretProblem>> {
        Ok(match self {
            Self::Adyen => Box::new(adyen::AdyenVerifier::bind(secrets)?),
            Self::Braintree => Box::new(braintree::BraintreeVerifier::bind(secrets)?),
            Self::ClientState => Box::new(client_state::ClientStateVerifier::bind(secrets)?),
            Self::Contentful => Box::new(contentful::ContentfulVerifier::bind(secrets, options)?),
            Self::Monday => Box::new(monday::MondayVerifier::bind(secrets)?),
            Self::Netlify => Box::new(netlify::NetlifyVerifier::bind(secrets)?),
            Self::Twilio => Box::new(twilio::TwilioVerifier::bind(secrets, options)?),
        })
    }

    /// The key of signed replies to challenges, and the name that it goes by with the provider.
    pub(super) fn reply_key(self, secret: &Secret, algorithm: Algorithm) -> Option<(String, Key)> {
        match self {
            Self::Braintree => braintree::reply_key(secret, algorithm),
            _ => Some((String::new(), Key::new(algorithm, &SecretForm::Utf8.decode(secret.reveal()).ok()?)?)),
        }
    }

    /// A random secret of the right form, for development.
    pub(super) fn generate_secret(self) -> Option<Secret> {
        let (form, with_key_id) = match self {
            Self::Adyen => (SecretForm::Hex, false),
            Self::Braintree => (SecretForm::Utf8, true),
            Self::ClientState | Self::Contentful | Self::Monday | Self::Netlify | Self::Twilio => {
                (SecretForm::Utf8, false)
            }
        };
        form.generate(Algorithm::HmacSha256, with_key_id)
    }
}

/// A key out of each secret; every one that cannot be one is reported.
fn keys<K>(
    secrets: &[Secret],
    key: impl Fn(&str) -> Result<K, KeyFlaw>,
) -> Result<Vec<K>, Vec<SecretProblem>> {
    let mut problems = Vec::new();
    let mut keys = Vec::new();
    for (index, secret) in secrets.iter().enumerate() {
        if let Some(problem) = SecretProblem::of_blank(index, secret.reveal()) {
            problems.push(problem);
            continue;
        }
        match key(secret.reveal()) {
            Ok(key) => keys.push(key),
            Err((what, help)) => problems.push(SecretProblem::new(index, what, help)),
        }
    }
    if problems.is_empty() { Ok(keys) } else { Err(problems) }
}

/// The text of the one header that carries the signature.
fn signature_text<'h>(headers: &'h HeaderMap, name: &http::HeaderName) -> Result<&'h str, Rejection> {
    let value: &HeaderValue = single(headers, name)?.ok_or(Rejection::SignatureMissing)?;
    value.to_str().map_err(|_| Rejection::SignatureMalformed)
}

#[cfg(test)]
pub(super) mod tests;
