//! Where requests come in: from a path to a source, from a request to a delivery.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::request::Parts;

use crate::budget::{BodyBudget, Buffered};
use crate::delivery::{Delivery, DeliveryId};
use crate::processor::{Admission, WebhookProcessor};
use crate::reply::Reply;
use crate::settings::config::{HttpConfig, Limits};

/// `POST {path}/{source}`.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) processor: WebhookProcessor,
    /// Begins with a slash and does not end with one; empty for the root.
    pub(crate) path: Arc<str>,
    pub(crate) read_timeout: Duration,
    pub(crate) budget: BodyBudget,
}

/// A request that was let in, and its head.
pub(crate) struct Admitted {
    pub(crate) admission: Admission,
    head: Parts,
}

impl Admitted {
    /// The URI as the client sent it, where a router in front has shortened it.
    #[cfg(feature = "http")]
    pub(crate) fn under(mut self, original: Option<http::Uri>) -> Self {
        if let Some(uri) = original {
            self.head.uri = uri;
        }
        self
    }
}

impl Endpoint {
    pub(crate) fn new(processor: WebhookProcessor, http: &HttpConfig, limits: &Limits) -> Self {
        Self {
            processor,
            path: http.path.as_str().into(),
            read_timeout: http.read_timeout,
            budget: BodyBudget::new(limits.max_buffered),
        }
    }

    /// A whole request.
    pub(crate) async fn process(&self, request: Request<Bytes>) -> Reply {
        let (head, body) = request.into_parts();
        match self.admit(head) {
            Ok(admitted) => self.receive(admitted, body, None).await,
            Err(reply) => *reply,
        }
    }

    /// Judges a request by its head. What is refused, is refused without a byte of its body.
    pub(crate) fn admit(&self, head: Parts) -> Result<Admitted, Box<Reply>> {
        // The raw bytes of the path: no decoding, no normalising, no second spelling of a source.
        let name = head.uri.path().strip_prefix(&*self.path).and_then(|rest| rest.strip_prefix('/'));
        let name = name.unwrap_or_default();
        let admission = self.processor.admit(DeliveryId::random(), name, &head.method, &head.headers)?;
        Ok(Admitted { admission, head })
    }

    /// Takes an admitted request with its body, whose share of the budget ends with its verification.
    pub(crate) async fn receive(&self, admitted: Admitted, body: Bytes, buffered: Option<Buffered>) -> Reply {
        let Admitted { admission, head } = admitted;
        let delivery = Delivery::new(admission.source.name.clone(), body)
            .with_id(admission.id)
            .with_method(head.method)
            .with_uri(head.uri)
            .with_headers(head.headers)
            .with_received_at(self.processor.now());
        self.processor.receive(admission, delivery, buffered).await
    }
}
