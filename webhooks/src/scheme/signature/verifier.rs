//! A scheme with its keys: the thing that says yes or no.

use std::time::SystemTime;

use http::{HeaderMap, HeaderName};

use super::declared::DeclaredVerifier;
use super::problem::SecretProblem;
use super::{BindOptions, SignatureScheme};
use crate::delivery::Delivery;
use crate::rejection::Rejection;
use crate::scheme::coded::CodedVerifier;
use crate::scheme::request::{Request, unlisted};
use crate::scheme::validator::Verified;
use crate::secret::Secret;

/// The most signatures of one delivery that are looked at; rotation needs two or three.
pub(super) const MAX_SIGNATURES: usize = 16;

/// The most secrets of one source, so that a delivery costs at most 16 × 8 MACs.
const MAX_SECRETS: usize = 8;

/// A scheme with its keys. Their keyed states are made once and cloned for each delivery.
pub(crate) struct Verifier {
    engine: Engine,
    /// Headers of the identity that must not come twice.
    single: Vec<HeaderName>,
    /// Where the identity reads the id, for [`Verifier::sign`].
    id_header: Option<HeaderName>,
}

enum Engine {
    Declared(Box<DeclaredVerifier>),
    Coded(CodedVerifier),
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
            SignatureScheme::Unsigned => Ok(Engine::Unsigned),
        };
        match engine {
            Ok(engine) if problems.is_empty() => Ok(Self { engine, single: Vec::new(), id_header: None }),
            Ok(_) => Err(problems),
            Err(more) => {
                problems.extend(more);
                Err(problems)
            }
        }
    }

    /// Adds what the identity reads from headers: those must be single, and signing sets the id.
    pub(in crate::scheme) fn with_identity_headers(
        mut self,
        single: Vec<HeaderName>,
        id_header: Option<HeaderName>,
    ) -> Self {
        (self.single, self.id_header) = (single, id_header);
        self
    }

    /// Rejects what the headers alone condemn, before a byte of the body is read.
    pub(crate) fn precheck(&self, headers: &HeaderMap) -> Result<(), Rejection> {
        match &self.engine {
            Engine::Declared(it) => it.precheck(headers)?,
            Engine::Coded(it) => it.precheck(headers)?,
            Engine::Unsigned => {}
        }
        self.single.iter().try_for_each(|name| unlisted(headers, name).map(drop))
    }

    /// Accepts or rejects a delivery, its time of receipt included.
    pub(crate) fn verify(&self, delivery: &Delivery) -> Result<Verified, Rejection> {
        self.verify_request(&Request::from(delivery))
    }

    pub(crate) fn verify_request(&self, request: &Request<'_>) -> Result<Verified, Rejection> {
        self.single.iter().try_for_each(|name| unlisted(request.headers, name).map(drop))?;
        match &self.engine {
            Engine::Declared(it) => it.verify(request),
            Engine::Coded(it) => it.verify(request),
            Engine::Unsigned => Ok(Verified::unsigned()),
        }
    }

    /// The headers to add to a request so that [`Verifier::verify`] accepts it; `None` for schemes that sign
    /// elsewhere than in headers. Signs with the first secret.
    pub(crate) fn sign(&self, request: &Delivery, at: SystemTime, id: &str) -> Option<HeaderMap> {
        let mut headers = match &self.engine {
            Engine::Declared(it) => it.sign(&Request::from(request), at, id)?,
            Engine::Coded(it) => it.sign(&Request::from(request))?,
            Engine::Unsigned => HeaderMap::new(),
        };
        if let Some(name) = &self.id_header {
            headers.insert(name, id.parse().ok()?);
        }
        Some(headers)
    }
}
