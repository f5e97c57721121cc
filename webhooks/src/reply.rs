//! What is sent back.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// What is sent back for a delivery, in the terms of the `http` crate.
///
/// `Debug` prints the body of a refusal, which says why; of any other, its size.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status code.
    pub status: StatusCode,
    /// The response headers, `webhook-delivery-id` among them.
    pub headers: HeaderMap,
    /// The body; empty unless the provider wants one or the outcome is an error.
    pub body: Bytes,
}

impl Reply {
    /// A reply without headers or body.
    pub fn empty(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: Bytes::new() }
    }

    /// Adds a header, replacing one of the same name.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Sets the body and its media type, with `nosniff` so that no browser guesses another.
    #[must_use]
    pub fn with_body(mut self, media_type: &'static str, body: impl Into<Bytes>) -> Self {
        self.headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        self.headers.insert(http::header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        self.body = body.into();
        self
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut reply = f.debug_struct("Reply");
        reply.field("status", &self.status).field("headers", &self.headers);
        // What a provider's handshake is answered may be a secret.
        match self.status.is_success() {
            true => reply.field("body_bytes", &self.body.len()),
            false => reply.field("body", &self.body),
        };
        reply.finish()
    }
}
