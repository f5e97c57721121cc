//! Keyed states, kept ready: verifying clones one instead of deriving it again.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};
use smallvec::SmallVec;
use subtle::ConstantTimeEq as _;

use super::template::{Parts, Template};

/// What signs, or what stands in for signing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    HmacSha1,
    HmacSha256,
    HmacSha512,
    /// A plain hash over content that contains the secret.
    Sha256,
    /// The secret itself, sent along.
    Token,
    Ed25519,
    EcdsaP256Sha256,
    RsaSha256,
}

impl Algorithm {
    pub(super) const NAMES: [(&'static str, Self); 8] = [
        ("hmac-sha1", Self::HmacSha1),
        ("hmac-sha256", Self::HmacSha256),
        ("hmac-sha512", Self::HmacSha512),
        ("sha256", Self::Sha256),
        ("token", Self::Token),
        ("ed25519", Self::Ed25519),
        ("ecdsa-p256-sha256", Self::EcdsaP256Sha256),
        ("rsa-sha256", Self::RsaSha256),
    ];

    pub(super) fn is_asymmetric(self) -> bool {
        self.feature().is_some()
    }

    pub(super) fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, it)| *it == self).map_or("", |(name, _)| name)
    }

    /// The feature of this crate that brings its engine, if it needs one.
    pub(super) fn feature(self) -> Option<&'static str> {
        match self {
            Self::Ed25519 => Some("ed25519"),
            Self::EcdsaP256Sha256 => Some("p256"),
            Self::RsaSha256 => Some("rsa"),
            Self::HmacSha1 | Self::HmacSha256 | Self::HmacSha512 | Self::Sha256 | Self::Token => None,
        }
    }
}

/// A shared secret made ready for its algorithm.
#[derive(Clone)]
pub(in crate::scheme) enum Key {
    HmacSha1(Hmac<Sha1>),
    HmacSha256(Hmac<Sha256>),
    HmacSha512(Hmac<Sha512>),
    Sha256(Box<[u8]>),
    Token(Box<[u8]>),
}

/// What a key makes of a content.
pub(super) struct Tag {
    bytes: SmallVec<[u8; 64]>,
    /// Whether the bytes are the secret itself.
    secret: bool,
}

impl Key {
    /// The key, unless the algorithm's keys are public: those verify and never sign, and are another type.
    pub(in crate::scheme) fn new(algorithm: Algorithm, secret: &[u8]) -> Option<Self> {
        match algorithm {
            Algorithm::HmacSha1 => Hmac::new_from_slice(secret).ok().map(Self::HmacSha1),
            Algorithm::HmacSha256 => Hmac::new_from_slice(secret).ok().map(Self::HmacSha256),
            Algorithm::HmacSha512 => Hmac::new_from_slice(secret).ok().map(Self::HmacSha512),
            Algorithm::Sha256 => Some(Self::Sha256(secret.into())),
            Algorithm::Token => Some(Self::Token(secret.into())),
            Algorithm::Ed25519 | Algorithm::EcdsaP256Sha256 | Algorithm::RsaSha256 => None,
        }
    }

    /// Whether it is sent along instead of signing.
    pub(super) fn is_token(&self) -> bool {
        matches!(self, Self::Token(_))
    }

    /// The right signature of a content.
    pub(super) fn tag(&self, content: &Template, parts: &Parts<'_>) -> Tag {
        let bytes = match self {
            Self::HmacSha1(mac) => {
                let mut mac = mac.clone();
                content.feed(parts, &[], |piece| mac.update(piece));
                SmallVec::from_slice(&mac.finalize().into_bytes())
            }
            Self::HmacSha256(mac) => {
                let mut mac = mac.clone();
                content.feed(parts, &[], |piece| mac.update(piece));
                SmallVec::from_slice(&mac.finalize().into_bytes())
            }
            Self::HmacSha512(mac) => {
                let mut mac = mac.clone();
                content.feed(parts, &[], |piece| mac.update(piece));
                SmallVec::from_slice(&mac.finalize().into_bytes())
            }
            Self::Sha256(secret) => {
                let mut hash = Sha256::new();
                content.feed(parts, secret, |piece| hash.update(piece));
                SmallVec::from_slice(&hash.finalize())
            }
            Self::Token(secret) => SmallVec::from_slice(secret),
        };
        Tag { bytes, secret: self.is_token() }
    }
}

impl Key {
    /// The MAC of a text by itself.
    pub(in crate::scheme) fn mac_of(&self, text: &[u8]) -> Vec<u8> {
        let parts = Parts { body: text, timestamp: &[], id: &[], url: &[], method: &[] };
        self.tag(&Template::body(), &parts).bytes.into_vec()
    }
}

impl Tag {
    /// Compares in constant time. A signature's length is public; a token's is not, so tokens are compared by
    /// their hashes.
    pub(super) fn matches(&self, candidate: &[u8]) -> bool {
        if self.secret {
            return Sha256::digest(&self.bytes).ct_eq(&Sha256::digest(candidate)).into();
        }
        self.bytes.ct_eq(candidate).into()
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}
