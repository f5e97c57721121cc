//! Deliveries over HTTP: a tower service, an axum router, a server.

use tokio::net::TcpListener;

use crate::error::Error;
use crate::problem::Problem;
use crate::startup::webhooks::Webhooks;

mod body;
mod collected;
mod listen;
mod serve;
mod service;
mod signal;

pub use service::WebhookService;
pub use signal::shutdown_signal;

impl Webhooks {
    /// A `tower::Service` for any server that speaks the `http` crate's types.
    ///
    /// The path that it is called with must be `{webhooks.http.path}/{source}`, byte for byte; behind axum's
    /// `Router::nest` that is what the nesting leaves of it. Any other is answered 404.
    ///
    /// # Errors
    /// When a source has no secret: secrets are lent only under [`serve`](Self::serve).
    pub fn service(&self) -> Result<WebhookService, Error> {
        self.require_secrets()?;
        Ok(WebhookService::new(self.endpoint.clone()))
    }

    /// A router for `{path}/{source}`, to merge into an axum application of your own.
    ///
    /// # Errors
    /// When a source has no secret: secrets are lent only under [`serve`](Self::serve).
    pub fn router<S: Clone + Send + Sync + 'static>(&self) -> Result<axum::Router<S>, Error> {
        let service = self.service()?;
        Ok(axum::Router::new().route_service(&format!("{}/{{*source}}", self.endpoint.path), service))
    }

    /// Listens on `webhooks.http.bind` and serves until SIGTERM or Ctrl-C, then drains.
    ///
    /// Besides the sources it answers `GET /livez` and `GET /readyz`. In a debug build, on a loopback address, sources
    /// without a secret are lent one, and a signed request to try each with is printed.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn serve(self) -> Result<(), Error> {
        let listener = listen::listen(&self.http.bind).await.map_err(|error| {
            Error::of_start(vec![Problem::new(
                format!("`webhooks.http.bind`: cannot listen on {}: {error}", self.http.bind),
                "free the port, or set another address: WEBHOOKS_HTTP__BIND=127.0.0.1:8081",
            )])
        })?;
        self.print_samples(&listener);
        self.serve_on(listener).await
    }

    /// Serves on a socket of your own; see [`serve`](Self::serve). Prints nothing.
    ///
    /// # Errors
    /// When sources were lent secrets and the socket is not on a loopback address.
    pub async fn serve_on(self, listener: TcpListener) -> Result<(), Error> {
        let local = listener.local_addr().is_ok_and(|address| address.ip().is_loopback());
        if !local {
            self.require_secrets()?;
        }
        serve::until_signalled(self, listener).await
    }

    #[expect(clippy::print_stderr, reason = "the first thing a newcomer sees, before any log is set up")]
    fn print_samples(&self, listener: &TcpListener) {
        let Ok(address) = listener.local_addr() else { return };
        for sample in self.sample_requests() {
            eprintln!(
                "source `{}` has no secret; until this process ends it has a random one. Try it:\n\n  {}\n",
                sample.source,
                sample.curl(&address.to_string())
            );
        }
    }
}
