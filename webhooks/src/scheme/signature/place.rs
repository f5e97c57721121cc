//! Where in a request a text stands.

use std::borrow::Cow;

use http::{HeaderName, HeaderValue};
use smallvec::SmallVec;

use crate::rejection::Rejection;
use crate::scheme::json::{self, Extract, JsonPath};
use crate::scheme::request::{Request, single};

/// Where a signature or an id stands.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    Header(HeaderName),
    /// `Prefix-1`, `Prefix-2`, …, as many as come without a gap.
    Numbered(Box<str>),
    Query(Box<str>),
    Json(JsonPath),
}

/// The texts at a place: nearly always one.
pub(super) type Texts<'r> = SmallVec<[Cow<'r, str>; 1]>;

impl Place {
    /// Every text at this place. A header may come twice only where `repeatable`.
    pub(super) fn texts<'r>(&self, request: &Request<'r>, repeatable: bool) -> Result<Texts<'r>, Rejection> {
        match self {
            Self::Header(name) if repeatable => {
                let values = request.headers.get_all(name).iter();
                values.take(super::verifier::MAX_SIGNATURES).map(header_text).collect()
            }
            Self::Header(name) => single(request.headers, name)?.into_iter().map(header_text).collect(),
            Self::Numbered(prefix) => (1..=super::verifier::MAX_SIGNATURES)
                .map_while(|number| request.headers.get(format!("{prefix}{number}")))
                .map(header_text)
                .collect(),
            Self::Query(name) => {
                let mut values = form_urlencoded::parse(request.query().as_bytes())
                    .filter(|(key, _)| key == name.as_ref())
                    .map(|(_, value)| value);
                let first = values.next();
                if values.next().is_some() {
                    Err(Rejection::HeaderRepeated)
                } else {
                    Ok(first.into_iter().collect())
                }
            }
            Self::Json(path) => Ok(json_text(path, request.body)?.into_iter().collect()),
        }
    }

    /// The path, if it is one in the body.
    pub(super) fn json(&self) -> Option<&JsonPath> {
        if let Self::Json(path) = self { Some(path) } else { None }
    }

    /// Every header that this place can be.
    pub(super) fn headers(&self) -> Vec<HeaderName> {
        match self {
            Self::Header(name) => vec![name.clone()],
            Self::Numbered(prefix) => (1..=super::verifier::MAX_SIGNATURES)
                .filter_map(|number| format!("{prefix}{number}").parse().ok())
                .collect(),
            Self::Query(_) | Self::Json(_) => Vec::new(),
        }
    }

    /// The header of this place, if it is one whose absence shows before the body is read.
    pub(super) fn header(&self) -> Option<Cow<'_, HeaderName>> {
        match self {
            Self::Header(name) => Some(Cow::Borrowed(name)),
            Self::Numbered(prefix) => format!("{prefix}1").parse().ok().map(Cow::Owned),
            Self::Query(_) | Self::Json(_) => None,
        }
    }
}

/// The text at a path of an unverified body.
pub(super) fn json_text<'r>(path: &JsonPath, body: &'r [u8]) -> Result<Option<Cow<'r, str>>, Rejection> {
    let found = Extract::new([path]).read(body).map_err(|_| Rejection::SignatureMalformed)?;
    Ok(found.into_iter().flatten().next().and_then(json::text))
}

fn header_text(value: &HeaderValue) -> Result<Cow<'_, str>, Rejection> {
    value.to_str().map(Cow::Borrowed).map_err(|_| Rejection::SignatureMalformed)
}
