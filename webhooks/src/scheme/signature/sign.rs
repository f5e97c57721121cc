//! Signing: the inverse of verification, for development and tests.

use std::borrow::Cow;
use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::declared::{AnyKey, DeclaredVerifier};
use super::format::Format;
use super::place::{Place, json_text};
use super::template::{Part, Parts};
use super::timestamp::{Timestamp, TimestampPlace};
use crate::scheme::request::Request;

/// What has to be added to a request.
pub(in crate::scheme) struct Signed {
    pub(in crate::scheme) headers: HeaderMap,
    pub(in crate::scheme) elsewhere: Option<Elsewhere>,
}

/// A signature that no header carries.
pub(in crate::scheme) enum Elsewhere {
    /// A parameter of this name, and its text.
    Query(Box<str>, String),
    /// The text that belongs into the body.
    Body(String),
}

impl DeclaredVerifier {
    /// What makes `request` a valid one; `None` where a private key signs. An id or a time that stands in the body is
    /// taken from there.
    pub(super) fn sign(&self, request: &Request<'_>, at: SystemTime, id: &str) -> Option<Signed> {
        let scheme = &self.scheme;
        let bound = self.keys.first()?;
        let AnyKey::Shared(key) = &bound.key else { return None };
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
        let signature = scheme.encoding.encode(key.tag(&scheme.content, &parts).as_bytes());
        let timestamp_place = scheme.timestamp.as_ref().map(|it| &it.at);

        let mut headers = HeaderMap::new();
        let text = scheme.format.write(&signature, &timestamp, timestamp_place);
        let mut elsewhere = None;
        match scheme.places.first()? {
            Place::Header(name) => insert(&mut headers, name.clone(), &text)?,
            Place::Numbered(prefix) => insert(&mut headers, format!("{prefix}1").parse().ok()?, &text)?,
            Place::Query(name) => elsewhere = Some(Elsewhere::Query(name.clone(), text)),
            Place::Json(_) if scheme.content.has(Part::Body) && !key.is_token() => return None,
            Place::Json(_) => elsewhere = Some(Elsewhere::Body(text)),
        }
        if let Some(TimestampPlace::Header(name)) = timestamp_place {
            insert(&mut headers, name.clone(), &timestamp)?;
        }
        if let Some(Place::Header(name)) = &scheme.id {
            insert(&mut headers, name.clone(), &id)?;
        }
        for (name, value) in &scheme.required {
            insert(&mut headers, name.clone(), value)?;
        }
        if let (Some(name), Some(id)) = (&scheme.key_id, &bound.id) {
            insert(&mut headers, name.clone(), id)?;
        }
        Some(Signed { headers, elsewhere })
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
