//! A scheme in the provider language, and its verification.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName};

use super::format::{Encoding, Format, Group, Parser};
use super::key::{Algorithm, Key};
use super::place::{Place, json_text};
use super::problem::SecretProblem;
use super::secret_form::SecretForm;
use super::template::{Part, Parts, Template};
use super::timestamp::{Timestamp, TimestampPlace};
use super::{BindOptions, BodyCoverage, Covers};
use crate::rejection::Rejection;
use crate::scheme::request::{Request, single, unlisted};
use crate::scheme::validator::Verified;
use crate::secret::Secret;

/// A scheme in the provider language.
#[derive(Debug, Clone)]
pub(crate) struct Declared {
    pub(super) places: Vec<Place>,
    /// Whether the signature header may come more than once, each with a signature of its own.
    pub(super) repeatable: bool,
    pub(super) format: Format,
    pub(super) algorithm: Algorithm,
    pub(super) encoding: Encoding,
    pub(super) secret: SecretForm,
    pub(super) content: Template,
    pub(super) timestamp: Option<Timestamp>,
    pub(super) id: Option<Place>,
    /// Headers that must have exactly this value.
    pub(super) required: Vec<(HeaderName, String)>,
    /// Names which of the secrets signed; secrets are then written `keyid:secret`.
    pub(super) key_id: Option<HeaderName>,
    /// Said of the body where the content alone does not tell.
    pub(super) covers_body: Option<BodyCoverage>,
}

/// A declared scheme with its keys.
pub(super) struct DeclaredVerifier {
    pub(super) scheme: Declared,
    pub(super) keys: Vec<BoundKey>,
    pub(super) public_url: String,
}

pub(super) struct BoundKey {
    pub(super) id: Option<Box<str>>,
    pub(super) key: Key,
}

impl Declared {
    pub(super) fn covers(&self) -> Covers {
        let body = if self.content.has(Part::Body) { BodyCoverage::Full } else { BodyCoverage::None };
        let hashes = self.algorithm != Algorithm::Token;
        Covers {
            body: self.covers_body.unwrap_or(if hashes { body } else { BodyCoverage::None }),
            time: hashes && self.content.has(Part::Timestamp),
            url: hashes && self.content.has(Part::Url),
        }
    }

    pub(super) fn signs_header(&self, name: &HeaderName) -> bool {
        self.content.has(Part::Id) && matches!(&self.id, Some(Place::Header(it)) if it == name)
    }

    pub(super) fn bind(
        &self,
        secrets: &[Secret],
        options: &BindOptions,
    ) -> Result<DeclaredVerifier, Vec<SecretProblem>> {
        let mut problems = Vec::new();
        let mut keys = Vec::new();
        for (index, secret) in secrets.iter().enumerate() {
            match self.key(index, secret.reveal()) {
                Ok(key) => keys.push(key),
                Err(problem) => problems.push(problem),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut scheme = self.clone();
        if let (Some(timestamp), Some(tolerance)) = (&mut scheme.timestamp, options.tolerance) {
            (timestamp.past, timestamp.future) = (tolerance, tolerance);
        }
        let public_url = options.public_url.as_deref().unwrap_or_default().trim_end_matches('/').to_owned();
        Ok(DeclaredVerifier { scheme, keys, public_url })
    }

    fn key(&self, index: usize, secret: &str) -> Result<BoundKey, SecretProblem> {
        if let Some(problem) = SecretProblem::of_blank(index, secret) {
            return Err(problem);
        }
        if self.algorithm.is_asymmetric() {
            let what = format!("this build cannot verify {} signatures", self.algorithm.name());
            return Err(SecretProblem::new(
                index,
                what,
                "use a variant of the provider that signs with a shared secret",
            ));
        }
        let (id, secret) = match (&self.key_id, secret.split_once(':')) {
            (None, _) => (None, secret),
            (Some(_), Some((id, secret))) if !id.is_empty() => (Some(Box::from(id)), secret),
            (Some(_), _) => {
                let help = "write it as `keyid:secret`: this provider says which of its keys it signed with";
                return Err(SecretProblem::new(index, "the secret has no key id", help));
            }
        };
        let bytes =
            self.secret.decode(secret).map_err(|(what, help)| SecretProblem::new(index, what, help))?;
        match Key::new(self.algorithm, &bytes) {
            Some(key) => Ok(BoundKey { id, key }),
            None => Err(SecretProblem::new(index, "the secret cannot be a key", "copy it again")),
        }
    }
}

impl DeclaredVerifier {
    /// What can be rejected by the headers alone.
    pub(super) fn precheck(&self, headers: &HeaderMap) -> Result<(), Rejection> {
        let scheme = &self.scheme;
        let mut places = scheme.places.iter().map(Place::header);
        if places.all(|place| place.is_some_and(|name| !headers.contains_key(&*name))) {
            return Err(Rejection::SignatureMissing);
        }
        for place in &scheme.places {
            if let (Place::Header(name), false) = (place, scheme.repeatable) {
                single(headers, name)?;
            }
        }
        for (name, value) in &scheme.required {
            if single(headers, name)?.is_none_or(|it| it != value.as_str()) {
                return Err(Rejection::HeaderRequired);
            }
        }
        if let Some(Timestamp { at: TimestampPlace::Header(name), .. }) = &scheme.timestamp
            && unlisted(headers, name)?.is_none()
        {
            return Err(Rejection::TimestampMalformed);
        }
        for name in scheme.key_id.iter().chain(scheme.id.as_ref().and_then(|id| match id {
            Place::Header(name) => Some(name),
            _ => None,
        })) {
            if unlisted(headers, name)?.is_none_or(|it| it.is_empty()) {
                return Err(Rejection::HeaderRequired);
            }
        }
        Ok(())
    }

    /// Tries every key on every signature; the MAC first, then the time, so that a wrong clock and a wrong
    /// secret are told apart.
    pub(super) fn verify(&self, request: &Request<'_>) -> Result<Verified, Rejection> {
        self.precheck(request.headers)?;
        let texts = self.signature_texts(request)?;
        let groups = self.groups(&texts)?;
        let outer_timestamp = self.outer_timestamp(request)?;
        let id = self.id(request)?;
        let url = self.url(request);
        let mut rejection = Rejection::SignatureMismatch;
        for group in &groups {
            let timestamp = group.timestamp.or(outer_timestamp.as_deref());
            let signed_at = match (&self.scheme.timestamp, timestamp) {
                (None, _) => None,
                (Some(scheme), Some(text)) => scheme.parse(text)?,
                (Some(_), None) => return Err(Rejection::TimestampMalformed),
            };
            let parts = Parts {
                body: request.body,
                timestamp: timestamp.unwrap_or_default().as_bytes(),
                id: id.as_bytes(),
                url: url.as_bytes(),
                method: request.method.as_str().as_bytes(),
            };
            let Some(secret_index) = self.matching_key(request.headers, group, &parts) else { continue };
            let verified = Verified::by_secret(secret_index);
            match (&self.scheme.timestamp, signed_at) {
                (Some(scheme), Some(at)) => match scheme.check(at, request.received_at) {
                    Ok(()) => return Ok(verified.with_signed_at(at)),
                    Err(untimely) => rejection = untimely,
                },
                _ => return Ok(verified),
            }
        }
        Err(rejection)
    }

    /// The URL as the provider saw it, if it is signed. Never taken from `Host` or `X-Forwarded-…`.
    pub(super) fn url(&self, request: &Request<'_>) -> String {
        if self.scheme.content.has(Part::Url) {
            format!("{}{}", self.public_url, request.path_and_query)
        } else {
            String::new()
        }
    }

    fn signature_texts<'r>(&self, request: &Request<'r>) -> Result<Vec<Cow<'r, str>>, Rejection> {
        let mut texts = Vec::new();
        for place in &self.scheme.places {
            texts.extend(place.texts(request, self.scheme.repeatable)?);
        }
        if texts.is_empty() { Err(Rejection::SignatureMissing) } else { Ok(texts) }
    }

    fn groups<'t>(&self, texts: &'t [Cow<'_, str>]) -> Result<Vec<Group<'t>>, Rejection> {
        let place = self.scheme.timestamp.as_ref().map(|it| &it.at);
        let mut parser = Parser::new(&self.scheme.format, self.scheme.encoding, place);
        let mut groups = Vec::new();
        for text in texts {
            groups.extend(parser.parse(text)?);
        }
        groups.retain(|group| !group.signatures.is_empty());
        if groups.is_empty() { Err(Rejection::SignatureMalformed) } else { Ok(groups) }
    }

    /// The timestamp, where it does not stand among the signatures.
    fn outer_timestamp<'r>(&self, request: &Request<'r>) -> Result<Option<Cow<'r, str>>, Rejection> {
        match self.scheme.timestamp.as_ref().map(|it| &it.at) {
            Some(TimestampPlace::Header(name)) => {
                let value = unlisted(request.headers, name)?.ok_or(Rejection::TimestampMalformed)?;
                value.to_str().map(|it| Some(Cow::Borrowed(it))).map_err(|_| Rejection::TimestampMalformed)
            }
            Some(TimestampPlace::Json(path)) => json_text(path, request.body),
            _ => Ok(None),
        }
    }

    fn id<'r>(&self, request: &Request<'r>) -> Result<Cow<'r, str>, Rejection> {
        let Some(place) = &self.scheme.id else { return Ok(Cow::Borrowed("")) };
        let texts = place.texts(request, false).map_err(|rejection| match rejection {
            Rejection::SignatureMalformed => Rejection::HeaderRequired,
            other => other,
        })?;
        texts.into_iter().next().filter(|it| !it.is_empty()).ok_or(Rejection::HeaderRequired)
    }

    fn matching_key(&self, headers: &HeaderMap, group: &Group<'_>, parts: &Parts<'_>) -> Option<usize> {
        let wanted =
            self.scheme.key_id.as_ref().map(|name| headers.get(name).and_then(|it| it.to_str().ok()));
        self.keys.iter().position(|bound| {
            if wanted.is_some_and(|wanted| wanted != bound.id.as_deref()) {
                return false;
            }
            let tag = bound.key.tag(&self.scheme.content, parts);
            group.signatures.iter().any(|signature| tag.matches(signature))
        })
    }
}
