//! What verification looks at: a borrowed view of a request.

use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::delivery::Delivery;
use crate::rejection::Rejection;

/// The parts of a request that a signature may cover. Narrower than a [`Delivery`], so that a signature can
/// also be checked where there is no source.
#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path_and_query: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
    pub(crate) received_at: SystemTime,
}

impl<'a> Request<'a> {
    pub(crate) fn query(&self) -> &'a str {
        self.path_and_query.split_once('?').map_or("", |(_, query)| query)
    }
}

impl<'a> From<&'a Delivery> for Request<'a> {
    fn from(delivery: &'a Delivery) -> Self {
        let body: &Bytes = delivery.body();
        Self {
            method: delivery.method(),
            path_and_query: delivery.path_and_query(),
            headers: delivery.headers(),
            body,
            received_at: delivery.received_at(),
        }
    }
}

/// The value of a header that must not come twice.
pub(super) fn single<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'h HeaderValue>, Rejection> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() { Err(Rejection::HeaderRepeated) } else { Ok(first) }
}

/// Like [`single`], for values that hold no comma of their own: proxies join repeated headers with one.
pub(super) fn unlisted<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'h HeaderValue>, Rejection> {
    let value = single(headers, name)?;
    if value.is_some_and(|it| it.as_bytes().contains(&b',')) {
        return Err(Rejection::HeaderRepeated);
    }
    Ok(value)
}

/// Whether a header is single and text, or not there.
pub(super) fn legible(headers: &HeaderMap, name: &HeaderName) -> Result<(), Rejection> {
    let Some(value) = single(headers, name)? else { return Ok(()) };
    // One look at each byte: every request's headers come by here.
    let mut is_text = true;
    for byte in value.as_bytes() {
        if *byte == b',' {
            return Err(Rejection::HeaderRepeated);
        }
        is_text &= matches!(byte, b' '..=b'~' | b'\t');
    }
    if is_text { Ok(()) } else { Err(Rejection::HeaderRequired) }
}

/// Whether the body is said to be a form.
pub(super) fn is_form(headers: &HeaderMap) -> bool {
    const FORM: &str = "application/x-www-form-urlencoded";
    let value = headers.get(http::header::CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
    value.split(';').next().is_some_and(|it| it.trim().eq_ignore_ascii_case(FORM))
}
