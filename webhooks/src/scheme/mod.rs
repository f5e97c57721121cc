//! The scheme language: how a provider signs, names and introduces its webhooks.
//!
//! A [`Provider`] is read from a table. Its [`SignatureScheme`] is bound to a source's secrets and becomes a
//! [`Verifier`]; its [`Identity`] reads ids, types and payloads; its challenge rules become a [`Handshake`].
//! Nothing here does I/O.

mod challenge;
mod coded;
#[cfg(feature = "test-util")]
mod draft;
mod example;
mod expect;
mod fetched;
mod identity;
mod json;
mod keys;
mod provider;
mod read;
mod request;
mod sample;
mod signature;
#[cfg(feature = "test-util")]
mod signer;
mod token_in_body;
mod validator;

pub(crate) use challenge::{Handshake, Stage};
pub(crate) use coded::twilio;
pub(crate) use expect::Expectations;
pub(crate) use fetched::Fetched;
#[cfg(feature = "fetch")]
pub use fetched::KeyFetcher;
#[cfg(feature = "fetch")]
pub(crate) use fetched::{DynKeyFetcher, FetchedOptions};
pub(crate) use identity::{Identity, Part};
pub(crate) use keys::PROVIDER;
pub(crate) use provider::{Acknowledgement, KeyOwner, Provider};
pub(crate) use request::Request;
pub(crate) use sample::Sample;
pub use signature::BodyCoverage;
#[cfg(feature = "test-util")]
pub(crate) use signature::RsaKeys;
pub(crate) use signature::{BindOptions, SecretProblem, SignatureScheme, Verifier, placeholder};
#[cfg(feature = "test-util")]
pub(crate) use signer::{ProviderKey, Signer};
pub(crate) use token_in_body::TokenInBody;
pub(crate) use validator::DynSignatureValidator;
pub use validator::{SignatureValidator, Verified};

#[cfg(test)]
mod tests;
