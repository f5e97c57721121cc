//! A delivery, built piece by piece and signed last.

use std::fmt;
use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use serde::Serialize;

use super::compose::{self, Sender};
use super::key::{self, SigningKey};
use super::{Error, Result};
use crate::delivery::{Delivery, SourceName};
use crate::rehearsal::PUBLIC_URL;
use crate::scheme::Sample;

/// A delivery as its provider would send it, to a [`Client`](super::Client) or to anything else.
///
/// It begins as the catalogue's example of the provider. What is said of it takes the place of what was there; the
/// signature comes last, over all of it. A client signs with the source's own secret and at its own clock's time, so that
/// most deliveries need nothing but an event and a payload.
///
/// Sent twice, it is the same event twice: every delivery has an id of its own when it is made, and its clones have the
/// same. Where the provider gives no ids, or the id is a digest of the body, that is as it would be with the provider.
///
/// ```
/// use serde_json::json;
/// use webhooks::testing;
///
/// let request = testing::stripe("payment_intent.succeeded")
///     .json(json!({"id": "pi_1", "amount": 4200}))
///     .signed_with("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
///     .into_request()?;
///
/// assert_eq!(request.uri(), "/webhooks/stripe");
/// assert!(request.headers().contains_key("stripe-signature"));
/// let body: serde_json::Value = serde_json::from_slice(request.body()).unwrap();
/// assert_eq!(body["type"], "payment_intent.succeeded");
/// assert_eq!(body["data"]["object"], json!({"id": "pi_1", "amount": 4200}));
/// # Ok::<_, webhooks::testing::Error>(())
/// ```
#[derive(Clone)]
#[must_use = "a delivery does nothing until it is sent"]
pub struct TestDelivery {
    pub(super) source: String,
    pub(super) provider: Option<String>,
    pub(super) variant: Option<String>,
    pub(super) event: Option<String>,
    pub(super) id: String,
    /// When it is signed; unless told, when it is sent.
    pub(super) at: Option<SystemTime>,
    /// When it was made: what stands in the body does not change from one time that it is sent to the next.
    pub(super) made: SystemTime,
    pub(super) content: Content,
    /// `None`: taken out.
    pub(super) headers: Vec<(HeaderName, Option<HeaderValue>)>,
    pub(super) signature: Signature,
    pub(super) tampered: bool,
    public_url: String,
    /// The first thing that was said of it and cannot be.
    pub(super) flaw: Option<(String, String)>,
}

#[derive(Clone)]
pub(super) enum Content {
    Example,
    /// JSON.
    Payload(String),
    Body(Bytes),
}

#[derive(Clone)]
pub(super) enum Signature {
    /// By the source's own key.
    Own,
    By(SigningKey),
    Missing,
}

impl TestDelivery {
    /// The payload: what [`Event<T>`](crate::Event) is made of, put where the provider has it. For Stripe that is the object in
    /// `data`, and the envelope around it is the example's; for GitHub it is the whole body, to which only the fields are
    /// added that name the event, such as its `action`, if it lacks them. For providers that send forms it is an object of
    /// the form's parameters, for those that send batches the payload of the batch's one event.
    pub fn json(mut self, payload: impl Serialize) -> Self {
        match serde_json::to_string(&payload) {
            Ok(payload) => self.content = Content::Payload(payload),
            Err(error) => self.complain(
                format!("the payload cannot be written as JSON: {error}"),
                "look at its `Serialize`",
            ),
        }
        self
    }

    /// The whole body, byte for byte: nothing is added, but a signature that stands in there. That the event is what it
    /// should be is then up to you.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.content = Content::Body(body.into());
        self
    }

    /// The event's id, where the provider gives one. Unless told, a random one.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }

    /// When the provider signs it. Unless told, when it is sent, by the client's clock.
    pub fn at(mut self, time: SystemTime) -> Self {
        self.at = Some(time);
        self
    }

    /// Sets a header, whatever stood there: one that carries a signature, too.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        match (name.parse(), HeaderValue::from_bytes(value.as_ref())) {
            (Ok(name), Ok(value)) => self.headers.push((name, Some(value))),
            _ => self.complain(format!("`{}` cannot be a header with this value", name.escape_debug()), ""),
        }
        self
    }

    /// Takes a header out.
    pub fn without_header(mut self, name: &str) -> Self {
        match name.parse() {
            Ok(name) => self.headers.push((name, None)),
            Err(_) => self.complain(format!("`{}` is not a header's name", name.escape_debug()), ""),
        }
        self
    }

    /// Sends it to a source of another name than the provider's.
    pub fn to(mut self, source: &str) -> Self {
        let provider = std::mem::replace(&mut self.source, source.to_owned());
        self.provider.get_or_insert(provider);
        self
    }

    /// Signs with one of the provider's older or alternative schemes. A client knows which its source has.
    pub fn variant(mut self, name: &str) -> Self {
        self.variant = Some(name.to_owned());
        self
    }

    /// What the provider calls the service, for those that sign the URL: unless told, `https://example.com`. A client
    /// knows what its source has.
    pub fn public_url(mut self, url: &str) -> Self {
        self.public_url = url.to_owned();
        self
    }

    /// Signs with a secret as the provider shows it, or with a [`SigningKey`]. Sent by a client, a delivery that says
    /// nothing is signed with its source's own.
    pub fn signed_with(mut self, key: impl Into<SigningKey>) -> Self {
        self.signature = Signature::By(key.into());
        self
    }

    /// Does not sign it.
    pub fn unsigned(mut self) -> Self {
        self.signature = Signature::Missing;
        self
    }

    /// Changes one byte of the body after it was signed: the last letter or digit becomes another one.
    pub fn tampered(mut self) -> Self {
        self.tampered = true;
        self
    }

    /// The request that the provider would make: `POST /webhooks/{source}`.
    ///
    /// # Errors
    /// If there is no such provider, no key to sign with, or no such delivery can be made.
    pub fn into_request(self) -> Result<Request<Bytes>> {
        let sample = self.sample()?;
        request(sample)
    }

    /// The same for [`WebhookProcessor::process`](crate::WebhookProcessor::process), received when it is signed.
    ///
    /// # Errors
    /// As [`into_request`](Self::into_request).
    pub fn into_delivery(self) -> Result<Delivery> {
        let received_at = self.at.unwrap_or_else(SystemTime::now);
        let source = SourceName::new(&self.source);
        let source =
            source.ok_or_else(|| Error::new(format!("`{}` is no source's name", self.source), ""))?;
        let (head, body) = self.at(received_at).into_request()?.into_parts();
        Ok(Delivery::new(source, body)
            .with_uri(head.uri)
            .with_headers(head.headers)
            .with_received_at(received_at))
    }

    /// Headers and body alone, for a test that sends them in its own way. Few providers sign in the query; theirs is in
    /// [`into_request`](Self::into_request).
    ///
    /// # Errors
    /// As [`into_request`](Self::into_request).
    pub fn into_parts(self) -> Result<(HeaderMap, Bytes)> {
        let (head, body) = self.into_request()?.into_parts();
        Ok((head.headers, body))
    }

    pub(super) fn new(source: &str, event: Option<&str>) -> Self {
        Self {
            source: source.to_owned(),
            provider: None,
            variant: None,
            event: event.map(str::to_owned),
            id: format!("evt_{:016x}", rand::random::<u64>()),
            at: None,
            made: SystemTime::now(),
            content: Content::Example,
            headers: Vec::new(),
            signature: Signature::Own,
            tampered: false,
            public_url: PUBLIC_URL.to_owned(),
            flaw: None,
        }
    }

    /// Outside of a client: by what the catalogue says alone.
    fn sample(&self) -> Result<Sample> {
        let provider = self.provider.as_deref().unwrap_or(&self.source);
        let provider = key::with_variant(key::known(provider)?, self.variant.as_deref())?;
        let path = format!("/webhooks/{}", self.source);
        let sender = match &self.signature {
            Signature::By(key) => Some(Sender::of_catalogue(&provider, key, &self.public_url)?),
            Signature::Missing => None,
            Signature::Own => {
                return Err(Error::new(
                    format!("nothing is said of what the delivery to `{}` is signed with", self.source),
                    "add `.signed_with(secret)` or `.unsigned()`, or send it with a `testing::client(…)`",
                ));
            }
        };
        let at = self.at.unwrap_or_else(SystemTime::now);
        compose::compose(self, &provider, &path, sender.as_ref(), at, self.at.unwrap_or(self.made))
    }

    fn complain(&mut self, what: impl Into<String>, help: &str) {
        self.flaw.get_or_insert((what.into(), help.to_owned()));
    }
}

/// As the `http` crate has it.
pub(super) fn request(sample: Sample) -> Result<Request<Bytes>> {
    let uri =
        sample.target.parse().map_err(|_| Error::new("the source has no URL", "give it another name"))?;
    let mut request = Request::new(sample.body);
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    *request.headers_mut() = sample.headers;
    Ok(request)
}

impl fmt::Debug for TestDelivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestDelivery")
            .field("source", &self.source)
            .field("event", &self.event)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
