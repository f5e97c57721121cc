//! How a provider signs: the declarative part of the scheme language, and the engine that runs it.

mod adjust;
mod bind;
mod check;
mod declared;
mod format;
mod key;
mod keys;
pub(super) mod pem;
mod place;
#[cfg(feature = "test-util")]
mod private_key;
mod problem;
mod public_key;
mod read;
mod read_format;
mod secret_form;
mod sign;
mod template;
mod timestamp;
mod verifier;

use std::time::Duration;

use http::HeaderName;

use super::coded::{Coded, client_state};
use super::fetched::Fetched;
#[cfg(feature = "test-util")]
use super::json::JsonPath;
use super::token_in_body::TokenInBody;
use crate::secret::Secret;

use place::Place;

pub(crate) use declared::Declared;
pub(super) use format::Encoding;
pub(super) use key::Algorithm;
pub(super) use key::Key;
pub(super) use keys::SIGNATURE;
#[cfg(feature = "test-util")]
pub(super) use private_key::PrivateKey;
#[cfg(all(feature = "fetch", feature = "p256", feature = "test-util"))]
pub(super) use private_key::PrivateP256Key;
#[cfg(all(feature = "fetch", feature = "test-util"))]
pub(super) use private_key::PrivateRsaKey;
#[cfg(feature = "test-util")]
pub(crate) use private_key::RsaKeys;
pub(crate) use problem::{SecretProblem, placeholder};
pub(super) use public_key::KeyFlaw;
#[cfg(all(feature = "fetch", feature = "p256"))]
pub(super) use public_key::P256Key;
#[cfg(feature = "fetch")]
pub(super) use public_key::{KeyBytes, RsaKey};
pub(super) use secret_form::SecretForm;
pub(super) use sign::Signed;
#[cfg(all(feature = "fetch", feature = "test-util"))]
pub(super) use timestamp::rfc3339_text as rfc3339;
pub(super) use timestamp::{Timestamp, TimestampPlace, Unit};
pub(super) use verifier::MAX_SIGNATURES;
pub(crate) use verifier::Verifier;

/// How requests are signed, before anyone's secrets are known.
#[derive(Debug, Clone)]
pub(crate) enum SignatureScheme {
    Declared(Box<Declared>),
    /// One of the few schemes that the language cannot express.
    Coded(Coded),
    /// One whose keys the vendor publishes.
    Fetched(Fetched),
    /// The provider signs nothing.
    Unsigned,
}

/// What binding a scheme needs besides secrets.
#[derive(Debug, Clone, Default)]
pub(crate) struct BindOptions {
    /// What providers that sign the URL saw in front of path and query: `https://example.com`.
    pub(crate) public_url: Option<String>,
    /// Replaces the scheme's own tolerance, to the past and to the future.
    pub(crate) tolerance: Option<Duration>,
}

/// What a signature speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Covers {
    pub(crate) body: BodyCoverage,
    pub(crate) time: bool,
    pub(crate) url: bool,
}

/// How much of the body a signature speaks for. The more, the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum BodyCoverage {
    /// Nothing of it: a token or a secret says who sends, and whoever has seen it can send anything.
    None,
    /// Some fields of it.
    Partial,
    /// All of it, but another body with the same signature can be made.
    Weak,
    /// All of it.
    Full,
}

impl BodyCoverage {
    /// What the language calls them.
    const NAMES: [(&'static str, Self); 4] =
        [("full", Self::Full), ("weak", Self::Weak), ("partial", Self::Partial), ("none", Self::None)];
}

impl SignatureScheme {
    /// Turns secrets into keys. Every secret that cannot be one is reported.
    pub(crate) fn bind(
        &self,
        secrets: &[Secret],
        options: &BindOptions,
    ) -> Result<Verifier, Vec<SecretProblem>> {
        Verifier::bind(self, secrets, options)
    }

    pub(crate) fn covers(&self) -> Covers {
        match self {
            Self::Declared(it) => it.covers(),
            Self::Coded(it) => it.covers(),
            Self::Fetched(it) => it.covers(),
            Self::Unsigned => Covers { body: BodyCoverage::None, time: false, url: false },
        }
    }

    /// The headers that carry its signatures and tokens: whoever has their values may be able to pass for the provider.
    pub(super) fn credential_headers(&self) -> Vec<HeaderName> {
        match self {
            Self::Declared(it) => it.places.iter().flat_map(Place::headers).collect(),
            Self::Coded(it) => it.credential_header().into_iter().collect(),
            Self::Fetched(it) => it.credential_header().into_iter().collect(),
            Self::Unsigned => Vec::new(),
        }
    }

    /// Where the secret itself stands in the body, if it does.
    pub(crate) fn token_in_body(&self) -> Option<TokenInBody> {
        match self {
            Self::Declared(it) if it.algorithm == Algorithm::Token => {
                let mut paths = it.places.iter().filter_map(Place::json).peekable();
                paths.peek().is_some().then(|| TokenInBody::at(paths))
            }
            Self::Coded(Coded::ClientState) => client_state::token_in_body(),
            Self::Declared(_) | Self::Coded(_) | Self::Fetched(_) | Self::Unsigned => None,
        }
    }

    /// The places in the body without which nothing can be signed.
    #[cfg(feature = "test-util")]
    pub(super) fn places_in_body(&self) -> Vec<JsonPath> {
        let Self::Declared(it) = self else { return Vec::new() };
        let timestamp = it.timestamp.as_ref().and_then(|timestamp| match &timestamp.at {
            TimestampPlace::Json(path) => Some(path.clone()),
            _ => None,
        });
        let id = it.id.as_ref().and_then(|id| match id {
            Place::Json(path) => Some(path.clone()),
            _ => None,
        });
        timestamp.into_iter().chain(id).collect()
    }

    /// How long a signature is good, from the earliest moment at which it is let through to the last; `None` if nothing
    /// is timed. `tolerance` is the source's own.
    pub(crate) fn validity(&self, tolerance: Option<Duration>) -> Option<Duration> {
        match self {
            Self::Declared(it) => it.timestamp.as_ref()?.validity(tolerance),
            Self::Coded(it) => it.validity(tolerance),
            Self::Fetched(it) => it.validity(tolerance),
            Self::Unsigned => None,
        }
    }

    /// Whether the URL is signed, so that the source cannot do without `public_url`.
    pub(crate) fn needs_public_url(&self) -> bool {
        self.covers().url
    }

    /// Whether what it signs could be a text of these characters alone, so that a MAC of such a text is a signature.
    /// `body` says whether a body could be one.
    pub(super) fn could_sign(&self, algorithm: Algorithm, admits: impl Fn(&str) -> bool, body: bool) -> bool {
        match self {
            Self::Declared(it) => it.algorithm == algorithm && it.content.could_be_of(admits, body),
            // Each takes care of itself.
            Self::Coded(_) | Self::Fetched(_) | Self::Unsigned => false,
        }
    }

    /// The key that a secret makes for another algorithm of the same provider, for its signed replies; with the name
    /// that it goes by, if keys have names.
    pub(super) fn reply_key(&self, secret: &Secret, algorithm: Algorithm) -> Option<(String, Key)> {
        match self {
            Self::Declared(it) => {
                let (name, text) = match (&it.key_id, secret.reveal().split_once(':')) {
                    (Some(_), named) => named?,
                    (None, _) => ("", secret.reveal()),
                };
                Some((name.to_owned(), Key::new(algorithm, &it.secret.decode(text).ok()?)?))
            }
            Self::Coded(it) => it.reply_key(secret, algorithm),
            Self::Fetched(_) | Self::Unsigned => None,
        }
    }

    /// The scheme, if its keys are fetched: it is bound to more than secrets.
    pub(crate) fn fetched(&self) -> Option<Fetched> {
        if let Self::Fetched(it) = self { Some(*it) } else { None }
    }

    /// Whether it looks at what a source expects of a token's claims.
    pub(crate) fn reads_claims(&self) -> bool {
        matches!(self, Self::Fetched(Fetched::PubSub))
    }

    /// Whether there is anything to bind a secret to.
    pub(crate) fn needs_secret(&self) -> bool {
        match self {
            Self::Declared(_) | Self::Coded(_) => true,
            Self::Fetched(it) => it.needs_secret(),
            Self::Unsigned => false,
        }
    }

    /// Whether the signature speaks for an id that stands in the body.
    pub(super) fn covers_ids_in_body(&self) -> bool {
        // What Adyen and SNS sign is not all, but the ids are among it.
        let among_others =
            matches!(self, Self::Coded(Coded::Adyen) | Self::Fetched(Fetched::Sns | Fetched::SnsVersion1));
        among_others || self.covers().body >= BodyCoverage::Weak
    }

    /// Whether the signature speaks for the value of this header.
    pub(super) fn covers_header(&self, name: &HeaderName) -> bool {
        match self {
            Self::Declared(it) => it.signs_header(name),
            Self::Fetched(it) => it.covers_header(name),
            Self::Coded(_) | Self::Unsigned => false,
        }
    }

    /// A random secret of the right form, for development.
    pub(crate) fn generate_secret(&self) -> Option<Secret> {
        match self {
            Self::Declared(it) => it.secret.generate(it.algorithm, it.key_id.is_some()),
            Self::Coded(it) => it.generate_secret(),
            Self::Fetched(_) | Self::Unsigned => None,
        }
    }

    /// Whether a request signed for the one could be taken for one of the other, given the same secret.
    pub(crate) fn compatible_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Declared(a), Self::Declared(b)) => {
                a.algorithm == b.algorithm && a.secret == b.secret && a.content == b.content
            }
            (Self::Coded(a), Self::Coded(b)) => a == b,
            (Self::Fetched(a), Self::Fetched(b)) => a == b,
            _ => false,
        }
    }
}
