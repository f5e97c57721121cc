//! What became of a delivery. Status, log line and metric label are functions of it.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use crate::delivery::DeliveryId;
use crate::rejection::{Malformed, Rejection};
use crate::reply::Reply;

const DELIVERY_ID: HeaderName = HeaderName::from_static("webhook-delivery-id");

/// What became of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// Every listener succeeded.
    Handled,
    /// It is in the inbox, on disk, and its listeners will run.
    Stored,
    /// The event was handled before, or another delivery of it just was.
    Duplicate,
    /// Verified, but nobody listens to it (or an empty batch). Nothing is remembered.
    Ignored,
    /// Given up: a permanent failure, or too many attempts. An operator has the ERROR line.
    Dead,
    /// A handshake, answered as the provider documents.
    Challenge(Box<Reply>),
    /// Not believed.
    Rejected(Rejection),
    /// Believed, but not of the promised form.
    Malformed(Malformed),
    /// No such source is configured.
    UnknownSource,
    /// No rule of this source uses the method.
    MethodNotAllowed(Vec<Method>),
    /// The body is over the source's limit.
    BodyTooLarge,
    /// The body is compressed.
    ContentEncoding,
    /// The body did not arrive in time, or not whole. 503 and not 408: some providers never send again after a 4xx.
    BodyIncomplete,
    /// A listener failed and wants the delivery again, perhaps not before a time.
    Retry(Option<Duration>),
    /// The event is being handled by another attempt.
    Busy(Duration),
    /// Success could not be recorded as ours: another attempt owns the event now and decides.
    LeaseLost,
    /// The store or the inbox cannot be reached. This event did not run; other events of a batch may have. After a panic
    /// outside of listeners it may have begun.
    StoreUnavailable,
    /// The store or the inbox is full of events that must not be forgotten yet. This event did not run; other events of a
    /// batch may have.
    StoreFull,
    /// As many events are handled, or deliveries stored, as `max_in_flight` allows; or there are more body bytes than
    /// `max_buffered`.
    Overloaded,
    /// The process is going down.
    ShuttingDown,
    /// `webhooks.enabled = false`.
    Disabled,
}

impl Outcome {
    /// Every label that [`label`](Self::label) can return, in a fixed order.
    pub(crate) const LABELS: [&'static str; 21] = [
        "handled",
        "duplicate",
        "ignored",
        "dead",
        "challenge",
        "rejected",
        "malformed",
        "unknown_source",
        "method_not_allowed",
        "body_too_large",
        "content_encoding",
        "body_incomplete",
        "retry",
        "busy",
        "lease_lost",
        "store_unavailable",
        "store_full",
        "overloaded",
        "shutting_down",
        "disabled",
        "stored",
    ];

    /// The metric label and the word in the log line.
    pub fn label(&self) -> &'static str {
        Self::LABELS[self.index()]
    }

    /// Why, in one word: the reason code of a rejection, else the label.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Rejected(rejection) => rejection.code(),
            Self::Malformed(malformed) => malformed.code(),
            other => other.label(),
        }
    }

    /// The usual HTTP status. The entry of a provider that wants to see another one may replace 200 and 401: what is
    /// sent is [`Reply::status`].
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Handled | Self::Stored | Self::Duplicate | Self::Ignored | Self::Dead => StatusCode::OK,
            Self::Challenge(reply) => reply.status,
            Self::Rejected(Rejection::KeysUnavailable | Rejection::ValidatorPanicked) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Rejected(Rejection::BodyAmbiguous) => StatusCode::BAD_REQUEST,
            Self::Rejected(_) => StatusCode::UNAUTHORIZED,
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::UnknownSource => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::ContentEncoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Retry(None) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Retry(Some(_))
            | Self::Busy(_)
            | Self::LeaseLost
            | Self::StoreUnavailable
            | Self::StoreFull
            | Self::BodyIncomplete
            | Self::Overloaded
            | Self::ShuttingDown
            | Self::Disabled => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Whether the provider is told that all is well.
    pub fn is_success(&self) -> bool {
        self.status().is_success()
    }

    /// The reply: empty on success, else the reason and the delivery's id as JSON, never a text of an error.
    pub fn into_reply(self, delivery: DeliveryId) -> Reply {
        let status = self.status();
        let retry_after = self.retry_after();
        let reason = self.reason();
        let mut reply = match self {
            Self::Challenge(reply) => *reply,
            Self::MethodNotAllowed(allowed) => {
                let mut reply = Reply::empty(status);
                let allowed = allowed.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
                insert(&mut reply.headers, header::ALLOW, &allowed);
                reply.with_body("application/json", error_body(reason, delivery))
            }
            _ if status.is_success() => Reply::empty(status),
            _ => Reply::empty(status).with_body("application/json", error_body(reason, delivery)),
        };
        if let Some(delay) = retry_after {
            // Rounded up: sent again too early, it would only be refused again.
            let seconds = delay.as_secs().saturating_add(u64::from(delay.subsec_nanos() > 0));
            insert(&mut reply.headers, header::RETRY_AFTER, &seconds.max(1).to_string());
        }
        reply.headers.insert(DELIVERY_ID, delivery.into());
        reply
    }

    /// The worse of two outcomes of one delivery's parts: the provider gets one answer, and must send again if any
    /// part needs it.
    pub(crate) fn worse(self, other: Self) -> Self {
        if other.severity() > self.severity() { other } else { self }
    }

    fn severity(&self) -> u8 {
        match self {
            Self::Ignored => 0,
            Self::Duplicate => 1,
            Self::Handled | Self::Stored => 2,
            Self::Dead => 3,
            Self::Retry(Some(_)) => 5,
            Self::Retry(None) => 6,
            other if other.is_success() => 4,
            _ => 7,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Retry(delay) => *delay,
            Self::Busy(delay) => Some(*delay),
            Self::LeaseLost | Self::BodyIncomplete | Self::Overloaded => Some(Duration::from_secs(5)),
            Self::StoreUnavailable
            | Self::StoreFull
            | Self::ShuttingDown
            | Self::Rejected(Rejection::KeysUnavailable | Rejection::ValidatorPanicked) => {
                Some(Duration::from_secs(10))
            }
            Self::Disabled => Some(Duration::from_secs(60)),
            _ => None,
        }
    }

    pub(crate) fn index(&self) -> usize {
        match self {
            Self::Handled => 0,
            Self::Duplicate => 1,
            Self::Ignored => 2,
            Self::Dead => 3,
            Self::Challenge(_) => 4,
            Self::Rejected(_) => 5,
            Self::Malformed(_) => 6,
            Self::UnknownSource => 7,
            Self::MethodNotAllowed(_) => 8,
            Self::BodyTooLarge => 9,
            Self::ContentEncoding => 10,
            Self::BodyIncomplete => 11,
            Self::Retry(_) => 12,
            Self::Busy(_) => 13,
            Self::LeaseLost => 14,
            Self::StoreUnavailable => 15,
            Self::StoreFull => 16,
            Self::Overloaded => 17,
            Self::ShuttingDown => 18,
            Self::Disabled => 19,
            Self::Stored => 20,
        }
    }
}

impl From<Rejection> for Outcome {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<Malformed> for Outcome {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

fn error_body(reason: &str, delivery: DeliveryId) -> String {
    format!(r#"{{"error":"{reason}","delivery":"{delivery}"}}"#)
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
