//! The built-in way to what vendors publish: one `GET` over TLS, believed if the machine's roots vouch for the host.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::scheme::KeyFetcher;

/// A certificate holds some two kilobytes.
const MAX_BODY: usize = 64 * 1024;

/// The whole way there and back. Providers wait longer for an answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Fetches over HTTPS. It follows no redirects and sends nothing of its own.
pub(crate) struct HttpsFetcher(Client<HttpsConnector<HttpConnector>, Empty<Bytes>>);

impl HttpsFetcher {
    /// Fails where the machine has no roots to believe.
    pub(crate) fn new() -> io::Result<Self> {
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(rustls::crypto::ring::default_provider())?
            .https_only()
            .enable_http1()
            .build();
        Ok(Self(Client::builder(TokioExecutor::new()).build(connector)))
    }

    async fn get(&self, url: &str) -> io::Result<Bytes> {
        let url = url.parse().map_err(io::Error::other)?;
        let response = self.0.get(url).await.map_err(io::Error::other)?;
        if response.status() != http::StatusCode::OK {
            return Err(io::Error::other(format!("the answer's status is {}", response.status())));
        }
        let body = Limited::new(response.into_body(), MAX_BODY).collect().await.map_err(io::Error::other)?;
        Ok(body.to_bytes())
    }
}

impl KeyFetcher for HttpsFetcher {
    async fn fetch(&self, url: &str) -> io::Result<Bytes> {
        tokio::time::timeout(TIMEOUT, self.get(url))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}
