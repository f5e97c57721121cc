//! The tower service beneath the router and the server.

use std::convert::Infallible;
use std::task::{Context, Poll};

use axum::extract::OriginalUri;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use tower_service::Service;

use super::body;
use crate::endpoint::Endpoint;
use crate::reply::Reply;

/// Receives webhooks as a `tower::Service`; see [`Webhooks::service`](crate::Webhooks::service).
#[derive(Debug, Clone)]
pub struct WebhookService {
    endpoint: Endpoint,
}

impl WebhookService {
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        Self { endpoint }
    }

    async fn handle<B: Body>(endpoint: Endpoint, request: Request<B>) -> Reply {
        let (mut head, body) = request.into_parts();
        // Behind `Router::nest` the URI has lost its front, but the provider signed all of it. The source is still
        // found by what is left.
        let original = head.extensions.remove::<OriginalUri>();
        let admitted = match endpoint.admit(head) {
            Ok(admitted) => admitted.under(original.map(|it| it.0)),
            Err(reply) => return *reply,
        };
        let limit = admitted.admission.entry.max_body;
        match body::read(body, limit, endpoint.read_timeout, &endpoint.budget).await {
            Ok((body, buffered)) => endpoint.receive(admitted, body, Some(buffered)).await,
            Err(outcome) => endpoint.processor.refuse(&admitted.admission, outcome),
        }
    }
}

impl<B> Service<Request<B>> for WebhookService
where
    B: Body + Send + 'static,
    B::Data: Send,
{
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let endpoint = self.endpoint.clone();
        Box::pin(async move { Ok(response(Self::handle(endpoint, request).await)) })
    }
}

pub(super) fn response(reply: Reply) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(reply.body));
    *response.status_mut() = reply.status;
    *response.headers_mut() = reply.headers;
    response
}
