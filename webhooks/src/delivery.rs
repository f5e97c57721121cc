//! One inbound HTTP request, not yet trusted.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Uri};

/// One inbound HTTP request, not yet trusted.
///
/// `Debug` prints sizes, never content: what arrives may carry secrets and personal data.
///
/// ```
/// use webhooks::{Delivery, SourceName};
///
/// let delivery = Delivery::new(SourceName::new("stripe").unwrap(), "{}");
/// assert_eq!(delivery.method(), http::Method::POST);
/// ```
pub struct Delivery {
    id: DeliveryId,
    source: SourceName,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
    received_at: SystemTime,
}

impl Delivery {
    /// A `POST` to `/` without headers, received now. The `with_…` methods fill in the rest.
    pub fn new(source: SourceName, body: impl Into<Bytes>) -> Self {
        Self {
            id: DeliveryId::random(),
            source,
            method: Method::POST,
            uri: Uri::from_static("/"),
            headers: HeaderMap::new(),
            body: body.into(),
            received_at: SystemTime::now(),
        }
    }

    /// Sets the identifier under which this delivery is logged.
    #[must_use]
    pub fn with_id(mut self, id: DeliveryId) -> Self {
        self.id = id;
        self
    }

    /// Sets the HTTP method.
    #[must_use]
    pub fn with_method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// Sets the request's URI. Only its raw path and query are ever used.
    #[must_use]
    pub fn with_uri(mut self, uri: Uri) -> Self {
        self.uri = uri;
        self
    }

    /// Sets the headers, as received.
    #[must_use]
    pub fn with_headers(mut self, headers: HeaderMap) -> Self {
        self.headers = headers;
        self
    }

    /// Sets the time of receipt, which verification judges timestamps by.
    #[must_use]
    pub fn with_received_at(mut self, received_at: SystemTime) -> Self {
        self.received_at = received_at;
        self
    }

    /// Finds this delivery in the logs; every response carries it as `webhook-delivery-id`.
    pub fn id(&self) -> DeliveryId {
        self.id
    }

    /// The configured source that was addressed.
    pub fn source(&self) -> &SourceName {
        &self.source
    }

    /// The HTTP method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The raw path and query, as received: what providers that sign the URL have signed.
    pub fn path_and_query(&self) -> &str {
        self.uri.path_and_query().map_or("/", |it| it.as_str())
    }

    /// The raw query without its `?`, or the empty string.
    pub fn query(&self) -> &str {
        self.uri.query().unwrap_or_default()
    }

    /// The headers as received.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The raw body: the bytes that were signed.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// When the request arrived, by the wall clock.
    pub fn received_at(&self) -> SystemTime {
        self.received_at
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("id", &self.id)
            .field("source", &self.source)
            .field("method", &self.method)
            .field("headers", &self.headers.len())
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// A random 128-bit name for one delivery, printed as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeliveryId(u128);

impl DeliveryId {
    /// A fresh identifier.
    pub fn random() -> Self {
        Self(rand::random())
    }

    pub(crate) fn bits(self) -> u128 {
        self.0
    }

    pub(crate) fn from_bits(bits: u128) -> Self {
        Self(bits)
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// As it stands in a response.
impl From<DeliveryId> for HeaderValue {
    fn from(id: DeliveryId) -> Self {
        let mut digits = [0; 32];
        // Neither can fail: two digits a byte, and digits are what headers are made of.
        let _ = hex::encode_to_slice(id.0.to_be_bytes(), &mut digits);
        Self::from_bytes(&digits).unwrap_or(Self::from_static(""))
    }
}

impl fmt::Debug for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The name of a configured source: 1 to 64 bytes of `[a-z0-9_-]`.
///
/// It appears in URLs, in store keys and in metric labels, hence the narrow alphabet.
///
/// ```
/// use webhooks::SourceName;
///
/// assert!(SourceName::new("stripe-eu").is_some());
/// assert!(SourceName::new("Stripe").is_none());
/// assert!(SourceName::new("").is_none());
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceName(Arc<str>);

impl SourceName {
    /// The longest name, in bytes.
    pub const MAX_LEN: usize = 64;

    /// The name, if it is a legal one.
    pub fn new(name: &str) -> Option<Self> {
        Self::is_legal(name).then(|| Self(Arc::from(name)))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn is_legal(name: &str) -> bool {
        (1..=Self::MAX_LEN).contains(&name.len())
            && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
    }
}

impl std::borrow::Borrow<str> for SourceName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
