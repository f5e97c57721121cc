//! What a delivery must say so that it is meant for this source: for vendors that sign for all of their customers with
//! one key.

use std::borrow::Cow;

use bytes::Bytes;
use http::HeaderName;

use super::json::{self, Extract};
use super::read::{parse_header, parse_path};
use super::request::single;
use super::signature::SignatureScheme;
use crate::delivery::Delivery;
use crate::document::TableReader;
use crate::rejection::{Malformed, Rejection};

/// Facts that must all hold of a verified delivery.
#[derive(Debug, Clone, Default)]
pub(crate) struct Expectations {
    headers: Vec<(HeaderName, String)>,
    /// What a token must claim: looked at by the validators that read one.
    claims: Vec<(String, String)>,
    extract: Extract,
    paths: Vec<json::JsonPath>,
    /// What must stand at each of these paths.
    values: Vec<String>,
}

impl Expectations {
    /// Reads and finishes a table of paths (`"$.account"`), of a token's claims (`"claim.aud"`) and of headers, each with
    /// the text that must stand there.
    pub(crate) fn read(reader: TableReader<'_>) -> Option<Self> {
        let (mut headers, mut paths, mut values) = (Vec::new(), Vec::new(), Vec::new());
        let mut claims = Vec::new();
        let mut sound = true;
        for (place, value) in reader.string_entries() {
            if let Some(claim) = place.strip_prefix("claim.") {
                claims.push((claim.to_owned(), value));
                continue;
            }
            if !place.starts_with(['$', '@']) {
                let header = parse_header(&reader, place, place);
                sound &= header.is_some();
                headers.extend(header.map(|it| (it, value)));
                continue;
            }
            match parse_path(&reader, place, place) {
                Some(path) if !path.is_of_element() => {
                    paths.push(path);
                    values.push(value);
                }
                Some(_) => {
                    reader.problem(place, "only the whole document is looked at", "write `$` for `@`");
                    sound = false;
                }
                None => sound = false,
            }
        }
        reader.finish();
        sound.then(|| Self { headers, claims, extract: Extract::new(&paths), paths, values })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.headers.is_empty() && self.claims.is_empty() && self.values.is_empty()
    }

    /// Whether there are claims among them, which not every scheme brings.
    pub(crate) fn names_claims(&self) -> bool {
        !self.claims.is_empty()
    }

    /// Whether the body has a say.
    #[cfg(feature = "test-util")]
    pub(super) fn names_paths(&self) -> bool {
        !self.paths.is_empty()
    }

    /// The headers that a request needs to say what is expected of it.
    #[cfg(feature = "test-util")]
    pub(super) fn headers(&self) -> &[(HeaderName, String)] {
        &self.headers
    }

    /// Has the JSON of a request's body say what is expected of it.
    #[cfg(feature = "test-util")]
    pub(super) fn fulfil(&self, mut json_text: String) -> Option<String> {
        for (path, expected) in self.paths.iter().zip(&self.values) {
            let found = Extract::new([path]).read(json_text.as_bytes()).ok()?.into_iter().flatten().next();
            if found.and_then(json::text).is_some_and(|it| it == *expected) {
                continue;
            }
            // What is a number stays one.
            let is_number =
                found.is_some_and(|it| it.parse::<f64>().is_ok()) && expected.parse::<f64>().is_ok();
            let value = if is_number { expected.clone() } else { json::quoted(expected) };
            json_text = json::put(&json_text, path, &value)?;
        }
        Some(json_text)
    }

    /// Expects something more: at a path, or of a token (`"claim.aud"`).
    #[cfg(feature = "test-util")]
    pub(crate) fn and(&mut self, place: &str, value: String) {
        if let Some(claim) = place.strip_prefix("claim.") {
            self.claims.push((claim.to_owned(), value));
        } else if let Some(path) = json::JsonPath::parse(place) {
            self.paths.push(path);
            self.values.push(value);
            self.extract = Extract::new(&self.paths);
        }
    }

    /// Whether any of these places, paths or claims, is among them.
    pub(crate) fn names_one_of(&self, places: &[String]) -> bool {
        let names = |place: &String| match place.strip_prefix("claim.") {
            Some(claim) => self.claims.iter().any(|(it, _)| it == claim),
            None => self.paths.iter().any(|path| path.to_string() == *place),
        };
        places.iter().any(names)
    }

    /// The headers among them that anyone can set, since the signature says nothing of them.
    pub(crate) fn unsigned_headers<'s>(
        &'s self,
        scheme: &'s SignatureScheme,
    ) -> impl Iterator<Item = &'s HeaderName> {
        self.headers.iter().map(|(name, _)| name).filter(|name| !scheme.covers_header(name))
    }

    /// What a token must claim under this name.
    #[cfg(feature = "fetch")]
    pub(super) fn claim(&self, name: &str) -> Option<&str> {
        self.claims.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }

    /// Whether the delivery, whose body is this JSON, is meant for this source. A form is not looked into unless it has a
    /// say.
    pub(crate) fn check<'d>(
        &self,
        delivery: &'d Delivery,
        json: impl FnOnce(&'d Delivery) -> Result<Cow<'d, Bytes>, Malformed>,
    ) -> Result<(), Rejection> {
        for (name, expected) in &self.headers {
            if single(delivery.headers(), name)?.is_none_or(|it| it != expected.as_str()) {
                return Err(Rejection::NotForUs);
            }
        }
        if self.values.is_empty() {
            return Ok(());
        }
        let text = json(delivery).map_err(|_| Rejection::NotForUs)?;
        let found = self.extract.read(&text).map_err(|_| Rejection::NotForUs)?;
        let says = |(raw, expected): (Option<&str>, &String)| {
            raw.and_then(json::text).is_some_and(|it| it == *expected)
        };
        if found.into_iter().zip(&self.values).all(says) { Ok(()) } else { Err(Rejection::NotForUs) }
    }
}
