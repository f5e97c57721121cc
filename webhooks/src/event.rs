//! One thing that happened, out of a verified delivery.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::HeaderMap;

use crate::delivery::{Delivery, DeliveryId};
use crate::key::EventKey;
use crate::scheme::Verified;

/// One thing that happened, out of a verified delivery. Cloning is cheap.
///
/// As a listener's argument it is the event's metadata. `Debug` prints sizes, never content.
#[derive(Clone)]
pub struct WebhookEvent(Arc<Data>);

struct Data {
    delivery: Arc<Delivery>,
    verified: Verified,
    key: EventKey,
    id: Option<String>,
    event_type: String,
    payload: Bytes,
    attempt: u32,
    is_replay: bool,
}

/// An event before it is claimed: everything but the attempt.
pub(crate) struct NewEvent {
    pub(crate) delivery: Arc<Delivery>,
    pub(crate) verified: Verified,
    pub(crate) key: EventKey,
    /// Whether it has the same key when it is sent again. If not, the provider gives no id.
    pub(crate) is_deduplicated: bool,
    pub(crate) id: Option<String>,
    pub(crate) event_type: String,
    pub(crate) payload: Bytes,
}

impl NewEvent {
    pub(crate) fn claimed(self, attempt: u32) -> WebhookEvent {
        self.claimed_from_inbox(attempt, false)
    }

    pub(crate) fn claimed_from_inbox(self, attempt: u32, is_replay: bool) -> WebhookEvent {
        let Self { delivery, verified, key, is_deduplicated: _, id, event_type, payload } = self;
        WebhookEvent(Arc::new(Data { delivery, verified, key, id, event_type, payload, attempt, is_replay }))
    }
}

impl WebhookEvent {
    /// The configured source that the event came in by.
    pub fn source(&self) -> &str {
        self.0.delivery.source().as_str()
    }

    /// The provider's id for the event, the same on every redelivery. `None` where the provider has none.
    pub fn id(&self) -> Option<&str> {
        self.0.id.as_deref()
    }

    /// The name under which the event is remembered: the same on every redelivery and retry, and nobody else's to forge.
    ///
    /// It is made of source and id; where the provider's signature does not cover the id, of the signed content too.
    /// Where the provider gives no id it is made of the delivery's id and the event's position in it, so that a redelivery
    /// is another event.
    pub fn key(&self) -> &EventKey {
        &self.0.key
    }

    /// The event's type in the provider's words, such as `payment_intent.succeeded`.
    pub fn event_type(&self) -> &str {
        &self.0.event_type
    }

    /// The payload: the part of the body that the catalogue names, as JSON text.
    pub fn payload(&self) -> &Bytes {
        &self.0.payload
    }

    /// The whole body of the delivery, byte for byte as it was signed. Out of the inbox, a secret that it held is blanked:
    /// Microsoft Graph's `clientState` is one.
    pub fn body(&self) -> &Bytes {
        self.0.delivery.body()
    }

    /// The headers of the delivery. Out of the inbox, those that are kept: no credentials are, see
    /// [the chapter on it](https://docs.rs/webhooks/latest/webhooks/docs/inbox/).
    pub fn headers(&self) -> &HeaderMap {
        self.0.delivery.headers()
    }

    /// Which attempt at this event this is, from 1. Attempts that crashed count.
    pub fn attempt(&self) -> u32 {
        self.0.attempt
    }

    /// Whether an operator has had the event handled again, out of the inbox.
    pub fn is_replay(&self) -> bool {
        self.0.is_replay
    }

    /// Whether a signature was checked. `false` only for sources with `validator = "none"`, and those
    /// whose validator in code is a [`NoOpSignatureValidator`](crate::NoOpSignatureValidator).
    pub fn is_verified(&self) -> bool {
        self.0.verified.is_signed()
    }

    /// Which of the source's secrets verified the delivery, from 0; `None` where keys are not the source's own.
    pub fn secret_index(&self) -> Option<usize> {
        self.0.verified.secret_index()
    }

    /// When the provider signed the delivery, where its scheme says.
    pub fn signed_at(&self) -> Option<SystemTime> {
        self.0.verified.signed_at()
    }

    /// When the delivery arrived.
    pub fn received_at(&self) -> SystemTime {
        self.0.delivery.received_at()
    }

    /// The delivery that carried the event; its log line has the same id.
    pub fn delivery_id(&self) -> DeliveryId {
        self.0.delivery.id()
    }
}

impl fmt::Debug for WebhookEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookEvent")
            .field("source", &self.source())
            .field("type", &self.event_type())
            .field("attempt", &self.attempt())
            .field("payload_bytes", &self.payload().len())
            .finish_non_exhaustive()
    }
}
