//! A vendor's side, made for a test: the key that it signs with, and what it publishes.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use super::Fetched;
use super::paypal::{self, sign::PayPal};
#[cfg(feature = "p256")]
use super::plaid::{self, sign::Plaid};
use super::pubsub::sign::PubSub;
use super::sns::sign::Sns;
use crate::delivery::Delivery;
use crate::scheme::expect::Expectations;
use crate::scheme::signature::{RsaKeys, Signed};
use crate::secret::Secret;

/// A key that only the vendor has. Clones are the same key.
#[derive(Clone)]
pub(in crate::scheme) struct VendorKey(Arc<Kind>);

enum Kind {
    Sns(Sns),
    PayPal(PayPal),
    #[cfg(feature = "p256")]
    Plaid(Plaid),
    PubSub(PubSub),
}

/// What a delivery is for: a source as it is configured.
pub(in crate::scheme) struct Recipient<'r> {
    pub(in crate::scheme) secret: Option<&'r Secret>,
    pub(in crate::scheme) expected: &'r Expectations,
}

impl VendorKey {
    /// A random one; `None` where this build has no engine for the scheme.
    pub(in crate::scheme) fn generate(scheme: Fetched, rsa: RsaKeys) -> Option<Self> {
        let kind = match scheme {
            Fetched::Sns => Kind::Sns(Sns::generate(false, rsa)?),
            Fetched::SnsVersion1 => Kind::Sns(Sns::generate(true, rsa)?),
            Fetched::PayPal => Kind::PayPal(PayPal::generate(paypal::World::Live, rsa)?),
            Fetched::PayPalSandbox => Kind::PayPal(PayPal::generate(paypal::World::Sandbox, rsa)?),
            #[cfg(feature = "p256")]
            Fetched::Plaid => Kind::Plaid(Plaid::generate(plaid::World::Production)),
            #[cfg(feature = "p256")]
            Fetched::PlaidSandbox => Kind::Plaid(Plaid::generate(plaid::World::Sandbox)),
            #[cfg(not(feature = "p256"))]
            Fetched::Plaid | Fetched::PlaidSandbox => return None,
            Fetched::PubSub => Kind::PubSub(PubSub::generate(rsa)?),
        };
        Some(Self(Arc::new(kind)))
    }

    /// What makes a request a valid one; `None` where it lacks what is signed.
    pub(in crate::scheme) fn sign(
        &self,
        request: &Delivery,
        at: SystemTime,
        id: &str,
        recipient: &Recipient<'_>,
    ) -> Option<Signed> {
        match &*self.0 {
            Kind::Sns(key) => key.sign(request, at),
            Kind::PayPal(key) => key.sign(request, at, id, recipient),
            #[cfg(feature = "p256")]
            Kind::Plaid(key) => key.sign(request, at),
            Kind::PubSub(key) => key.sign(at, recipient),
        }
    }

    /// What `GET` of this URL is answered with, if it is of this key's.
    pub(in crate::scheme) fn get(&self, url: &str) -> Option<Bytes> {
        match &*self.0 {
            Kind::Sns(key) => key.get(url),
            Kind::PayPal(key) => key.get(url),
            #[cfg(feature = "p256")]
            Kind::Plaid(_) => None,
            Kind::PubSub(key) => key.get(url),
        }
    }

    /// What `POST` of this JSON is answered with, if it asks for this key with these credentials.
    pub(in crate::scheme) fn post(
        &self,
        url: &str,
        question: &[u8],
        credentials: Option<&Secret>,
    ) -> Option<Bytes> {
        match &*self.0 {
            #[cfg(feature = "p256")]
            Kind::Plaid(key) => key.post(url, question, credentials?),
            _ => {
                let _ = (url, question, credentials);
                None
            }
        }
    }
}
