//! Signing: the inverse of verification, for development and tests.

use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::declared::DeclaredVerifier;
use super::format::Format;
use super::place::Place;
use super::template::{Part, Parts};
use super::timestamp::TimestampPlace;
use crate::scheme::request::Request;

impl DeclaredVerifier {
    /// The headers that make `request` a valid one; `None` where the scheme puts something elsewhere.
    pub(super) fn sign(&self, request: &Request<'_>, at: SystemTime, id: &str) -> Option<HeaderMap> {
        let scheme = &self.scheme;
        let bound = self.keys.first()?;
        let timestamp = scheme.timestamp.as_ref().map(|it| it.write(at)).unwrap_or_default();
        let url = self.url(request);
        let parts = Parts {
            body: request.body,
            timestamp: timestamp.as_bytes(),
            id: id.as_bytes(),
            url: url.as_bytes(),
            method: request.method.as_str().as_bytes(),
        };
        let signature = scheme.encoding.encode(bound.key.tag(&scheme.content, &parts).as_bytes());
        let timestamp_place = scheme.timestamp.as_ref().map(|it| &it.at);

        let mut headers = HeaderMap::new();
        let signature_header: HeaderName = match scheme.places.first()? {
            Place::Header(name) => name.clone(),
            Place::Numbered(prefix) => format!("{prefix}1").parse().ok()?,
            Place::Query(_) | Place::Json(_) => return None,
        };
        insert(
            &mut headers,
            signature_header,
            &scheme.format.write(&signature, &timestamp, timestamp_place),
        )?;
        match timestamp_place {
            Some(TimestampPlace::Header(name)) => insert(&mut headers, name.clone(), &timestamp)?,
            Some(TimestampPlace::Json(_)) => return None,
            _ => {}
        }
        match &scheme.id {
            Some(Place::Header(name)) => insert(&mut headers, name.clone(), id)?,
            Some(_) if scheme.content.has(Part::Id) => return None,
            _ => {}
        }
        for (name, value) in &scheme.required {
            insert(&mut headers, name.clone(), value)?;
        }
        if let (Some(name), Some(id)) = (&scheme.key_id, &bound.id) {
            insert(&mut headers, name.clone(), id)?;
        }
        Some(headers)
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
