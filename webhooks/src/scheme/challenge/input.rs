//! Where a challenge's texts stand and what they may be made of.

use http::HeaderName;

use crate::delivery::Delivery;
use crate::scheme::json::{self, Extract, JsonPath};
use crate::scheme::request::is_form;

/// Where a text of a challenge stands.
#[derive(Debug, Clone)]
pub(super) enum Place {
    Header(HeaderName),
    Query(String),
    Form(String),
    Json(JsonPath),
}

/// What a text may be made of. None of these can hold markup, a quote or a line break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Charset {
    /// `[A-Za-z0-9_-]`
    Word,
    Hex,
    Alphanumeric,
    /// Host names, for an origin that is allowed.
    Host,
    /// Printable ASCII, but quotes, backslash, `&`, `<` and `>`.
    Text,
}

impl Place {
    /// The text, if it is there exactly once.
    pub(super) fn text(&self, delivery: &Delivery) -> Option<String> {
        let parameter = |encoded: &[u8], name: &str| {
            let mut values = form_urlencoded::parse(encoded).filter(|(key, _)| key == name);
            let first = values.next()?.1.into_owned();
            values.next().is_none().then_some(first)
        };
        match self {
            Self::Header(name) => {
                let mut values = delivery.headers().get_all(name).iter();
                let first = values.next()?.to_str().ok()?.to_owned();
                values.next().is_none().then_some(first)
            }
            Self::Query(name) => parameter(delivery.query().as_bytes(), name),
            Self::Form(name) if is_form(delivery.headers()) => parameter(delivery.body(), name),
            Self::Form(_) => None,
            Self::Json(path) => {
                let found = Extract::new([path]).read(delivery.body()).ok()?;
                found.into_iter().flatten().next().and_then(json::text).map(|it| it.into_owned())
            }
        }
    }

    pub(super) fn is_in_body(&self) -> bool {
        matches!(self, Self::Form(_) | Self::Json(_))
    }
}

impl Charset {
    pub(super) const NAMES: [(&'static str, Self); 5] = [
        ("word", Self::Word),
        ("hex", Self::Hex),
        ("alphanumeric", Self::Alphanumeric),
        ("host", Self::Host),
        ("text", Self::Text),
    ];

    pub(super) fn admits(self, text: &str) -> bool {
        text.bytes().all(|b| match self {
            Self::Word => b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'),
            Self::Hex => b.is_ascii_hexdigit(),
            Self::Alphanumeric => b.is_ascii_alphanumeric(),
            Self::Host => b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':'),
            Self::Text => {
                matches!(b, b' '..=b'~') && !matches!(b, b'"' | b'\'' | b'`' | b'\\' | b'&' | b'<' | b'>')
            }
        })
    }

    /// Whether no text of it can be the signed content of an event: JSON holds braces, a form `=`, and schemes
    /// join their parts with dots or colons.
    pub(super) fn is_safe_to_sign(self) -> bool {
        matches!(self, Self::Word | Self::Hex | Self::Alphanumeric)
    }
}
