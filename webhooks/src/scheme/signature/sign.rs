//! Signing: the inverse of verification, for development and tests.

use std::borrow::Cow;
use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::declared::{AnyKey, DeclaredVerifier};
use super::format::Format;
use super::key::Algorithm;
use super::place::{Place, json_text};
#[cfg(feature = "test-util")]
use super::private_key::PrivateKey;
use super::template::{Part, Parts};
use super::timestamp::{Timestamp, TimestampPlace};
use crate::scheme::json;
use crate::scheme::request::Request;

/// What has to be done to a request.
#[derive(Default)]
pub(in crate::scheme) struct Signed {
    /// Headers to be added.
    pub(in crate::scheme) headers: HeaderMap,
    /// A parameter to be added to the query, and its text.
    pub(in crate::scheme) parameter: Option<(Box<str>, String)>,
    /// The body with the signature in it, where it stands in there.
    pub(in crate::scheme) body: Option<Bytes>,
}

impl Signed {
    /// By headers alone.
    pub(in crate::scheme) fn by_headers(headers: HeaderMap) -> Self {
        Self { headers, ..Self::default() }
    }

    /// By what stands in the body alone.
    pub(in crate::scheme) fn by_body(body: impl Into<Bytes>) -> Self {
        Self { body: Some(body.into()), ..Self::default() }
    }
}

impl DeclaredVerifier {
    /// What makes `request` a valid one, signed with the first secret; `None` where a private key signs. An id or a time
    /// that stands in the body is taken from there.
    pub(super) fn sign(&self, request: &Request<'_>, at: SystemTime, id: &str) -> Option<Signed> {
        let AnyKey::Shared(key) = &self.keys.first()?.key else { return None };
        let tag = |parts: &Parts<'_>| Some(key.tag(&self.scheme.content, parts).as_bytes().to_vec());
        self.sign_with(tag, request, at, id)
    }

    /// The same with the private key of the first public one.
    #[cfg(feature = "test-util")]
    pub(super) fn sign_privately(
        &self,
        key: &PrivateKey,
        request: &Request<'_>,
        at: SystemTime,
        id: &str,
    ) -> Option<Signed> {
        let tag = |parts: &Parts<'_>| {
            let mut content = Vec::new();
            self.scheme.content.feed(parts, &[], |piece| content.extend_from_slice(piece));
            key.sign(&content)
        };
        self.sign_with(tag, request, at, id)
    }

    fn sign_with(
        &self,
        tag: impl FnOnce(&Parts<'_>) -> Option<Vec<u8>>,
        request: &Request<'_>,
        at: SystemTime,
        id: &str,
    ) -> Option<Signed> {
        let scheme = &self.scheme;
        let timestamp = match &scheme.timestamp {
            Some(Timestamp { at: TimestampPlace::Json(path), .. }) => {
                json_text(path, request.body).ok()??.into_owned()
            }
            Some(timestamp) => timestamp.write(at),
            None => String::new(),
        };
        let id = match &scheme.id {
            Some(Place::Json(path)) => json_text(path, request.body).ok()??,
            _ => Cow::Borrowed(id),
        };
        let url = self.url(request);
        let parts = Parts {
            body: request.body,
            timestamp: timestamp.as_bytes(),
            id: id.as_bytes(),
            url: url.as_bytes(),
            method: request.method.as_str().as_bytes(),
        };
        let signature = scheme.encoding.encode(&tag(&parts)?);
        let timestamp_place = scheme.timestamp.as_ref().map(|it| &it.at);

        let mut signed = Signed::default();
        let headers = &mut signed.headers;
        let text = scheme.format.write(&signature, &timestamp, timestamp_place);
        match scheme.places.first()? {
            Place::Header(name) => insert(headers, name.clone(), &text)?,
            Place::Numbered(prefix) => insert(headers, format!("{prefix}1").parse().ok()?, &text)?,
            Place::Query(name) => signed.parameter = Some((name.clone(), text)),
            // Nothing can sign itself.
            Place::Json(_) if scheme.content.has(Part::Body) && scheme.algorithm != Algorithm::Token => {
                return None;
            }
            Place::Json(path) => {
                let body = std::str::from_utf8(request.body).ok()?;
                signed.body = Some(json::put(body, path, &json::quoted(&text))?.into());
            }
        }
        if let Some(TimestampPlace::Header(name)) = timestamp_place {
            insert(headers, name.clone(), &timestamp)?;
        }
        if let Some(Place::Header(name)) = &scheme.id {
            insert(headers, name.clone(), &id)?;
        }
        for (name, value) in &scheme.required {
            insert(headers, name.clone(), value)?;
        }
        if let (Some(name), Some(id)) = (&scheme.key_id, &self.keys.first()?.id) {
            insert(headers, name.clone(), id)?;
        }
        Some(signed)
    }
}

impl Format {
    fn write(&self, signature: &str, timestamp: &str, place: Option<&TimestampPlace>) -> String {
        match self {
            Self::Raw => signature.to_owned(),
            Self::Prefix { prefix, .. } => format!("{prefix}{signature}"),
            Self::Pairs { separator, assign, key, .. } => match place {
                Some(TimestampPlace::Pair(name)) => {
                    format!("{name}{assign}{timestamp}{separator}{key}{assign}{signature}")
                }
                _ => format!("{key}{assign}{signature}"),
            },
            Self::Labelled { assign, label, .. } => format!("{label}{assign}{signature}"),
            Self::Positional { separator } => match place {
                Some(TimestampPlace::Position(0)) => format!("{timestamp}{separator}{signature}"),
                Some(TimestampPlace::Position(_)) => format!("{signature}{separator}{timestamp}"),
                _ => signature.to_owned(),
            },
        }
    }
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) -> Option<()> {
    headers.insert(name, HeaderValue::from_str(value).ok()?);
    Some(())
}
