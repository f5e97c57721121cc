//! A scheme in the provider language, and its verification.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName};

use super::format::{Encoding, Format, Group, Groups, Parser};
use super::key::{Algorithm, Key};
use super::place::{Place, Texts, json_text};
use super::public_key::PublicKey;
use super::secret_form::SecretForm;
use super::template::{Part, Parts, Template};
use super::timestamp::{Timestamp, TimestampPlace, Unit};
use super::{BodyCoverage, Covers};
use crate::rejection::Rejection;
use crate::scheme::request::{Request, single, unlisted};
use crate::scheme::validator::Verified;

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
    /// Characters that are signed as themselves though the URL has them percent-encoded.
    pub(super) url_decode: String,
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
    pub(super) key: AnyKey,
}

/// Two kinds that never stand in for each other: whoever knows a shared key can sign, and everybody knows a public one.
pub(super) enum AnyKey {
    Shared(Box<Key>),
    Public(PublicKey),
}

impl Declared {
    pub(super) fn covers(&self) -> Covers {
        let body = if self.content.has(Part::Body) { BodyCoverage::Full } else { BodyCoverage::None };
        let hashes = self.algorithm != Algorithm::Token;
        Covers {
            body: self.covers_body.unwrap_or(if hashes { body } else { BodyCoverage::None }),
            time: hashes && self.timestamp.as_ref().is_some_and(|it| self.signs_time(it)),
            url: hashes && self.content.has(Part::Url),
        }
    }

    /// Whether the time is read, and signed: by itself, or with the body that it stands in.
    fn signs_time(&self, timestamp: &Timestamp) -> bool {
        let part = if matches!(timestamp.at, TimestampPlace::Json(_)) { Part::Body } else { Part::Timestamp };
        timestamp.unit != Unit::Text && (self.content.has(part) || self.content.has(Part::Timestamp))
    }

    pub(super) fn signs_header(&self, name: &HeaderName) -> bool {
        self.content.has(Part::Id) && matches!(&self.id, Some(Place::Header(it)) if it == name)
    }
}

impl DeclaredVerifier {
    /// What can be rejected by the headers alone.
    pub(super) fn precheck(&self, headers: &HeaderMap) -> Result<(), Rejection> {
        let scheme = &self.scheme;
        let mut missing = true;
        for place in &scheme.places {
            missing &= match place {
                Place::Header(name) if !scheme.repeatable => single(headers, name)?.is_none(),
                _ => place.header().is_some_and(|name| !headers.contains_key(&*name)),
            };
        }
        if missing {
            return Err(Rejection::SignatureMissing);
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
        self.verify_texts(request, &self.signature_texts(request)?)
    }

    /// The same, with the texts of the signature at hand.
    pub(super) fn verify_texts(
        &self,
        request: &Request<'_>,
        texts: &[Cow<'_, str>],
    ) -> Result<Verified, Rejection> {
        let groups = self.groups(texts)?;
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
            let url = format!("{}{}", self.public_url, request.path_and_query);
            decoded(&url, &self.scheme.url_decode)
        } else {
            String::new()
        }
    }

    fn signature_texts<'r>(&self, request: &Request<'r>) -> Result<Texts<'r>, Rejection> {
        let mut texts = Texts::new();
        for place in &self.scheme.places {
            texts.extend(place.texts(request, self.scheme.repeatable)?);
        }
        if texts.is_empty() { Err(Rejection::SignatureMissing) } else { Ok(texts) }
    }

    fn groups<'t>(&self, texts: &'t [Cow<'_, str>]) -> Result<Groups<'t>, Rejection> {
        let place = self.scheme.timestamp.as_ref().map(|it| &it.at);
        let mut parser = Parser::new(&self.scheme.format, self.scheme.encoding, place);
        let mut groups = Groups::new();
        for text in texts {
            parser.parse(text, &mut groups)?;
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
            match &bound.key {
                AnyKey::Shared(key) => {
                    let tag = key.tag(&self.scheme.content, parts);
                    group.signatures.iter().any(|signature| tag.matches(signature))
                }
                AnyKey::Public(key) => {
                    key.matches_any(|sink| self.scheme.content.feed(parts, &[], sink), &group.signatures)
                }
            }
        })
    }
}

/// The URL with only these characters percent-decoded.
fn decoded(url: &str, characters: &str) -> String {
    let mut decoded = String::with_capacity(url.len());
    let mut rest = url;
    while let Some((before, after)) = rest.split_once('%') {
        decoded.push_str(before);
        let digits = after.get(..2).filter(|it| it.bytes().all(|b| b.is_ascii_hexdigit()));
        let code = digits.and_then(|it| u8::from_str_radix(it, 16).ok()).map(char::from);
        match code.filter(|it| characters.contains(*it)) {
            Some(character) => {
                decoded.push(character);
                rest = &after[2..];
            }
            None => {
                decoded.push('%');
                rest = after;
            }
        }
    }
    decoded + rest
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn only_some_characters_are_decoded() {
        assert_eq!(decoded("/a%3Fb%3fc%20d%2", "?"), "/a?b?c%20d%2");
        assert_eq!(decoded("/%253A%3a%zz%", ":"), "/%253A:%zz%");
        assert_eq!(decoded("/%3A%C3%A9", ""), "/%3A%C3%A9");
    }
}
