//! A scheme with its keys: the thing that says yes or no.

use std::borrow::Cow;
use std::time::SystemTime;

use http::{HeaderMap, HeaderName};

use super::declared::DeclaredVerifier;
#[cfg(feature = "test-util")]
use super::private_key::PrivateKey;
use super::problem::SecretProblem;
use super::sign::Signed;
use super::{BindOptions, SignatureScheme};
use crate::delivery::Delivery;
use crate::rejection::Rejection;
use crate::scheme::coded::CodedVerifier;
use crate::scheme::request::Request;
use crate::scheme::validator::Verified;
use crate::secret::Secret;

/// The most signatures of one delivery that are looked at; rotation needs two or three.
pub(in crate::scheme) const MAX_SIGNATURES: usize = 16;

/// The most secrets of one source, so that a delivery costs at most 16 × 8 MACs.
const MAX_SECRETS: usize = 8;

/// A scheme with its keys. Their keyed states are made once and cloned for each delivery.
pub(crate) struct Verifier {
    engine: Engine,
    /// Where the identity reads the id, for [`Verifier::sign`].
    id_header: Option<HeaderName>,
}

enum Engine {
    Declared(Box<DeclaredVerifier>),
    Coded(Box<dyn CodedVerifier>),
    Unsigned,
}

impl Verifier {
    pub(super) fn bind(
        scheme: &SignatureScheme,
        secrets: &[Secret],
        options: &BindOptions,
    ) -> Result<Self, Vec<SecretProblem>> {
        let mut problems = Vec::new();
        if scheme.needs_secret() && secrets.is_empty() {
            problems.push(SecretProblem::new(
                None,
                "there is no secret",
                "set one: nothing is accepted without",
            ));
        }
        if secrets.len() > MAX_SECRETS {
            let what = format!("there are {} secrets, and at most {MAX_SECRETS} are tried", secrets.len());
            problems.push(SecretProblem::new(None, what, "remove those that are no longer in use"));
        }
        if scheme.needs_public_url() && options.public_url.is_none() {
            let help =
                "set `public_url` to what the provider was given, up to the path: \"https://example.com\"";
            problems.push(SecretProblem::new(None, "this provider signs the URL", help));
        }
        let engine = match scheme {
            SignatureScheme::Declared(it) => {
                it.bind(secrets, options).map(|it| Engine::Declared(Box::new(it)))
            }
            SignatureScheme::Coded(it) => it.bind(secrets, options).map(Engine::Coded),
            // Bound where there is a way to the keys; without one, nothing is verified.
            SignatureScheme::Fetched(_) => Err(vec![SecretProblem::new(
                None,
                "this provider's keys are fetched",
                "use it as a source: no validator of its own stands for it",
            )]),
            SignatureScheme::Unsigned => Ok(Engine::Unsigned),
        };
        match engine {
            Ok(engine) if problems.is_empty() => Ok(Self { engine, id_header: None }),
            Ok(_) => Err(problems),
            Err(more) => {
                problems.extend(more);
                Err(problems)
            }
        }
    }

    /// Says where the identity reads the id, so that signing sets it.
    pub(in crate::scheme) fn with_id_header(self, id_header: Option<HeaderName>) -> Self {
        Self { id_header, ..self }
    }

    /// Rejects what the headers alone condemn, before a byte of the body is read.
    pub(crate) fn precheck(&self, headers: &HeaderMap) -> Result<(), Rejection> {
        match &self.engine {
            Engine::Declared(it) => it.precheck(headers),
            Engine::Coded(it) => it.precheck(headers),
            Engine::Unsigned => Ok(()),
        }
    }

    /// Accepts or rejects a delivery, its time of receipt included.
    pub(crate) fn verify(&self, delivery: &Delivery) -> Result<Verified, Rejection> {
        self.verify_request(&Request::from(delivery))
    }

    pub(crate) fn verify_request(&self, request: &Request<'_>) -> Result<Verified, Rejection> {
        match &self.engine {
            Engine::Declared(it) => it.verify(request),
            Engine::Coded(it) => it.verify(request),
            Engine::Unsigned => Ok(Verified::unsigned()),
        }
    }

    /// The same for the text of a signature header by itself, of a scheme that looks at no other.
    pub(crate) fn verify_text(&self, request: &Request<'_>, signature: &str) -> Result<Verified, Rejection> {
        match &self.engine {
            Engine::Declared(it) => it.verify_texts(request, &[Cow::Borrowed(signature)]),
            Engine::Coded(_) | Engine::Unsigned => Err(Rejection::SignatureMissing),
        }
    }

    /// The headers to add to a request so that [`Verifier::verify`] accepts it; `None` for schemes that sign
    /// elsewhere than in headers. Signs with the first secret.
    #[cfg(test)]
    pub(crate) fn sign(&self, request: &Delivery, at: SystemTime, id: &str) -> Option<HeaderMap> {
        let signed = self.sign_anywhere(request, at, id)?;
        let by_headers = signed.parameter.is_none() && signed.body.is_none();
        by_headers.then_some(signed.headers)
    }

    /// The same for every scheme that signs with a shared secret.
    pub(in crate::scheme) fn sign_anywhere(
        &self,
        request: &Delivery,
        at: SystemTime,
        id: &str,
    ) -> Option<Signed> {
        let signed = match &self.engine {
            Engine::Declared(it) => it.sign(&Request::from(request), at, id)?,
            Engine::Coded(it) => it.sign(&Request::from(request), at)?,
            Engine::Unsigned => Signed::default(),
        };
        self.with_id(signed, id)
    }

    /// The same for every scheme that signs with a private key.
    #[cfg(feature = "test-util")]
    pub(in crate::scheme) fn sign_privately(
        &self,
        key: &PrivateKey,
        request: &Delivery,
        at: SystemTime,
        id: &str,
    ) -> Option<Signed> {
        let Engine::Declared(it) = &self.engine else { return None };
        self.with_id(it.sign_privately(key, &Request::from(request), at, id)?, id)
    }

    /// Adds the id where the identity reads it from.
    fn with_id(&self, mut signed: Signed, id: &str) -> Option<Signed> {
        if let Some(name) = &self.id_header {
            signed.headers.insert(name, id.parse().ok()?);
        }
        Some(signed)
    }
}
