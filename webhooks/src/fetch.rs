//! The built-in way to what vendors publish: one request over TLS, believed if the machine's roots vouch for the host.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request};
use http_body_util::{BodyExt as _, Full, Limited};
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
pub(crate) struct HttpsFetcher(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

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

    async fn send(&self, request: Request<Full<Bytes>>) -> io::Result<Bytes> {
        let response = self.0.request(request).await.map_err(io::Error::other)?;
        if response.status() != http::StatusCode::OK {
            return Err(io::Error::other(format!("the answer's status is {}", response.status())));
        }
        let body = Limited::new(response.into_body(), MAX_BODY).collect().await.map_err(io::Error::other)?;
        Ok(body.to_bytes())
    }

    async fn send_in_time(&self, request: http::Result<Request<Full<Bytes>>>) -> io::Result<Bytes> {
        let request = request.map_err(io::Error::other)?;
        tokio::time::timeout(TIMEOUT, self.send(request))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl KeyFetcher for HttpsFetcher {
    async fn fetch(&self, url: &str) -> io::Result<Bytes> {
        self.send_in_time(Request::get(url).body(Full::default())).await
    }

    async fn post_json(&self, url: &str, json: Bytes) -> io::Result<Bytes> {
        let request = Request::post(url).header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.send_in_time(request.body(Full::new(json))).await
    }
}
