//! Why a delivery was not believed (401), or believed but not understood (400).

use std::fmt;
use std::time::Duration;

/// Why a delivery was not believed. Answered with 401, or what its provider wants to see instead; but for
/// [`Rejection::KeysUnavailable`] and [`Rejection::ValidatorPanicked`] (503), and [`Rejection::BodyAmbiguous`] (400).
///
/// The text of a rejection never contains bytes of the request or of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejection {
    /// The request carries no signature where this source's scheme puts it.
    SignatureMissing,
    /// A signature is there, but none is of the documented form.
    SignatureMalformed,
    /// No signature matches any of the source's secrets.
    SignatureMismatch,
    /// The signed timestamp is missing or not of the documented grammar.
    TimestampMalformed,
    /// The signature is right, but its timestamp is older than the tolerance, by `age` in all.
    Expired {
        /// How long ago, by this machine's clock, the request was signed.
        age: Duration,
    },
    /// The signature is right, but its timestamp lies too far ahead of this machine's clock.
    FromTheFuture {
        /// How far ahead of this machine's clock the request was signed.
        ahead: Duration,
    },
    /// A header that must be single came twice, or as a comma-joined list.
    HeaderRepeated,
    /// A header that this scheme requires is missing or has another value than the required one.
    HeaderRequired,
    /// The request is truly the vendor's, but not meant for this source (another topic, account or audience).
    NotForUs,
    /// A one-time token came again with another body.
    TokenReused,
    /// The body has the same key twice on the way to what vouches for it. Answered with 400.
    BodyAmbiguous,
    /// The keys to verify with could not be fetched just now: answered with 503, so that it is sent again.
    KeysUnavailable,
    /// The source's validator in code panicked: answered with 503, so that it is sent again.
    ValidatorPanicked,
}

impl Rejection {
    /// Every code that [`code`](Self::code) can return, in a fixed order.
    pub(crate) const CODES: [&'static str; 13] = [
        "signature_missing",
        "signature_malformed",
        "signature_mismatch",
        "timestamp_malformed",
        "expired",
        "from_the_future",
        "header_repeated",
        "header_required",
        "not_for_us",
        "token_reused",
        "body_ambiguous",
        "keys_unavailable",
        "validator_panicked",
    ];

    /// The reason code that the response body and the log line carry.
    pub fn code(&self) -> &'static str {
        Self::CODES[self.index()]
    }

    pub(crate) fn index(&self) -> usize {
        match self {
            Self::SignatureMissing => 0,
            Self::SignatureMalformed => 1,
            Self::SignatureMismatch => 2,
            Self::TimestampMalformed => 3,
            Self::Expired { .. } => 4,
            Self::FromTheFuture { .. } => 5,
            Self::HeaderRepeated => 6,
            Self::HeaderRequired => 7,
            Self::NotForUs => 8,
            Self::TokenReused => 9,
            Self::BodyAmbiguous => 10,
            Self::KeysUnavailable => 11,
            Self::ValidatorPanicked => 12,
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SignatureMissing => f.write_str("no signature where this source's scheme puts it"),
            Self::SignatureMalformed => f.write_str("the signature is not of the documented form"),
            Self::SignatureMismatch => f.write_str("the signature matches none of the source's secrets"),
            Self::TimestampMalformed => f.write_str("the timestamp is missing or not of the documented form"),
            Self::Expired { age } => write!(f, "truly signed, but {} s ago: too old", age.as_secs()),
            Self::FromTheFuture { ahead } => {
                write!(f, "truly signed, but {} s ahead of this clock", ahead.as_secs())
            }
            Self::HeaderRepeated => f.write_str("a header that must be single came more than once"),
            Self::HeaderRequired => f.write_str("a required header is missing or has another value"),
            Self::NotForUs => f.write_str("truly the vendor's, but not meant for this source"),
            Self::TokenReused => f.write_str("a one-time token came again with another body"),
            Self::BodyAmbiguous => f.write_str("the body has the same key twice where it is vouched for"),
            Self::KeysUnavailable => f.write_str("the keys to verify with could not be fetched"),
            Self::ValidatorPanicked => f.write_str("the source's validator panicked"),
        }
    }
}

impl std::error::Error for Rejection {}

/// What a verified delivery lacks of the form that its provider promises. Answered with 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Malformed {
    /// The body is not JSON (or not a form, where the provider sends one).
    Body,
    /// The body says the same thing twice: a key that is read occurs more than once in one object.
    DuplicateKey,
    /// The provider declares an event id and this delivery has none.
    IdMissing,
    /// The id is empty, not a string or number, or longer than 512 bytes.
    IdUnusable,
    /// The provider declares an event type and this delivery has none, or not as text.
    TypeMissing,
    /// Header and body name different event types.
    TypeMismatch,
    /// The place where the provider puts its list of events holds something else.
    BatchMissing,
    /// A challenge whose input is not of the strict grammar that may be answered.
    Challenge,
}

impl Malformed {
    /// The reason code that the response body and the log line carry.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Body => "body_malformed",
            Self::DuplicateKey => "duplicate_key",
            Self::IdMissing => "id_missing",
            Self::IdUnusable => "id_unusable",
            Self::TypeMissing => "type_missing",
            Self::TypeMismatch => "type_mismatch",
            Self::BatchMissing => "batch_missing",
            Self::Challenge => "challenge_malformed",
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Body => "the body is not of the promised kind",
            Self::DuplicateKey => "a key that is read occurs twice in one object",
            Self::IdMissing => "the event id is missing",
            Self::IdUnusable => "the event id is empty, not a string or number, or over 512 bytes",
            Self::TypeMissing => "the event type is missing",
            Self::TypeMismatch => "header and body name different event types",
            Self::BatchMissing => "there is no list of events where the provider puts it",
            Self::Challenge => "the challenge is not of the documented form",
        })
    }
}

impl std::error::Error for Malformed {}
