//! Assembled webhooks, ready to be served.

use bytes::Bytes;
use http::Request;

use super::Builder;
use super::development::SampleRequest;
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::inbox::handle::WebhookInbox;
use crate::problem::Problem;
use crate::processor::WebhookProcessor;
use crate::reply::Reply;
use crate::settings::config::{HttpConfig, Limits};

/// Assembled webhooks: every setting read, every listener wired, the store reached.
///
/// [`serve`](Self::serve) runs a server; [`router`](Self::router) goes into an axum application of your own;
/// [`service`](Self::service) is a `tower::Service`; [`process`](Self::process) is for everything else.
#[derive(Debug)]
pub struct Webhooks {
    pub(crate) endpoint: Endpoint,
    pub(crate) http: HttpConfig,
    /// Sources that were lent secrets: what is wrong with each outside of development, and a request to try it with.
    development: Vec<(Problem, Option<SampleRequest>)>,
}

impl Webhooks {
    /// A builder that begins with nothing: no settings, no listeners but those it is given.
    ///
    /// ```
    /// use webhooks::{WebhookEvent, Webhooks, webhook_listener};
    ///
    /// #[webhook_listener(source = "github", event = "push")]
    /// async fn on_push(event: WebhookEvent) {
    ///     println!("{:?}", event.id());
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), webhooks::Error> {
    /// let webhooks = Webhooks::builder()
    ///     .source("github", |source| source.secret("It's a Secret to Everybody"))
    ///     .listeners(webhooks::listeners![on_push])
    ///     .build()
    ///     .await?;
    /// # let _ = webhooks.handle();
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder() -> Builder {
        Builder::empty()
    }

    /// Processes a whole request, for servers that are neither axum nor tower.
    ///
    /// Its path must be `{webhooks.http.path}/{source}`, byte for byte: `/webhooks/stripe`, for instance. Any other is
    /// answered 404.
    ///
    /// The body has been read by then: that server's own limits are what bounds it. Call
    /// [`require_secrets`](Self::require_secrets) once before serving.
    pub async fn process(&self, request: Request<Bytes>) -> Reply {
        self.endpoint.process(request).await
    }

    /// A handle for readiness checks and graceful shutdown; cheap to clone and to keep.
    pub fn handle(&self) -> Handle {
        Handle {
            processor: self.endpoint.processor.clone(),
            drain_delay: self.http.drain_delay,
            shutdown_grace: self.http.shutdown_grace,
        }
    }

    /// The inbox, to look into and to replay from; `None` where none is configured.
    pub fn inbox(&self) -> Option<WebhookInbox> {
        self.endpoint.processor.inbox()
    }

    /// Signed requests to try the sources with that were lent a secret for development.
    pub fn sample_requests(&self) -> impl Iterator<Item = &SampleRequest> {
        self.development.iter().filter_map(|(_, sample)| sample.as_ref())
    }

    /// Makes sure that every source has a secret of its own, and none was lent one for development: inside somebody's own
    /// server nobody prints those, and its address may be any. [`router`](Self::router) and [`service`](Self::service)
    /// do it by themselves; it is for those who call [`process`](Self::process).
    ///
    /// # Errors
    /// With a problem for each source without a secret.
    pub fn require_secrets(&self) -> Result<(), Error> {
        if self.development.is_empty() {
            return Ok(());
        }
        let mut problems: Vec<_> = self.development.iter().map(|(problem, _)| problem.clone()).collect();
        problems.sort();
        Err(Error::of_start(problems))
    }

    pub(crate) fn new(
        processor: WebhookProcessor,
        http: HttpConfig,
        limits: Limits,
        development: Vec<(Problem, Option<SampleRequest>)>,
    ) -> Self {
        Self { endpoint: Endpoint::new(processor, &http, &limits), http, development }
    }
}

/// A handle for readiness checks and graceful shutdown.
#[derive(Debug, Clone)]
pub struct Handle {
    processor: WebhookProcessor,
    drain_delay: std::time::Duration,
    shutdown_grace: std::time::Duration,
}

impl Handle {
    /// Whether load balancers should send deliveries here: not once draining began, and never with
    /// `webhooks.enabled = false`.
    pub fn is_ready(&self) -> bool {
        self.processor.is_ready()
    }

    /// Shuts down gracefully: unready but accepting for `drain_delay`, then refusing while runs finish within
    /// `shutdown_grace`, then cancelling what is left and releasing its claims, within 5 s. For those who own the server,
    /// at SIGTERM or Ctrl-C; [`Webhooks::serve`] does it by itself.
    ///
    /// `drain_delay` passes even if nothing is under way: balancers need it to notice. In development it may be 0.
    pub async fn drain(&self) {
        self.processor.drain(self.drain_delay, self.shutdown_grace).await;
    }

    /// The processor behind it.
    pub fn processor(&self) -> &WebhookProcessor {
        &self.processor
    }
}
