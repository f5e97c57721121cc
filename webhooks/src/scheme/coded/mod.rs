//! The few schemes that the language cannot express: one file each.

pub(crate) mod twilio;

use http::HeaderMap;

use super::request::Request;
use super::signature::{BindOptions, BodyCoverage, Covers, SecretProblem};
use super::validator::Verified;
use crate::rejection::Rejection;
use crate::secret::Secret;

/// A scheme in code, named by `validator = "…"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coded {
    Twilio,
}

/// A scheme in code with its keys.
pub(super) enum CodedVerifier {
    Twilio(twilio::TwilioVerifier),
}

impl Coded {
    pub(super) const NAMES: [(&'static str, Self); 1] = [("twilio", Self::Twilio)];

    pub(super) fn covers(self) -> Covers {
        match self {
            // Names and values are joined without separators: `a=bc` and `ab=c` have the same signature.
            Self::Twilio => Covers { body: BodyCoverage::Weak, time: false, url: true },
        }
    }

    pub(super) fn bind(
        self,
        secrets: &[Secret],
        options: &BindOptions,
    ) -> Result<CodedVerifier, Vec<SecretProblem>> {
        match self {
            Self::Twilio => twilio::TwilioVerifier::bind(secrets, options).map(CodedVerifier::Twilio),
        }
    }
}

impl CodedVerifier {
    pub(super) fn precheck(&self, headers: &HeaderMap) -> Result<(), Rejection> {
        match self {
            Self::Twilio(it) => it.precheck(headers),
        }
    }

    pub(super) fn verify(&self, request: &Request<'_>) -> Result<Verified, Rejection> {
        match self {
            Self::Twilio(it) => it.verify(request),
        }
    }

    pub(super) fn sign(&self, request: &Request<'_>) -> Option<HeaderMap> {
        match self {
            Self::Twilio(it) => it.sign(request),
        }
    }
}
