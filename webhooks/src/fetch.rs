//! The built-in way to what vendors publish: one request over TLS, believed if the machine's roots vouch for the host.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::TokioExecutor;

use crate::scheme::KeyFetcher;

/// A certificate holds some two kilobytes.
const MAX_BODY: usize = 64 * 1024;

/// The whole way there and back. Providers wait longer for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Fetches over HTTPS. It follows no redirects and sends nothing of its own.
pub(crate) type HttpsFetcher = Fetcher<HttpsConnector<HttpConnector>>;

/// The same by way of any connector.
pub(crate) struct Fetcher<C> {
    client: Client<C, Full<Bytes>>,
    patience: Duration,
}

impl HttpsFetcher {
    /// Fails where the machine has no roots to believe.
    pub(crate) fn new() -> io::Result<Self> {
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(rustls::crypto::ring::default_provider())?
            .https_only()
            .enable_http1()
            .build();
        Ok(Self::by_way_of(connector, PATIENCE))
    }
}

impl<C: Connect + Clone + Send + Sync + 'static> Fetcher<C> {
    fn by_way_of(connector: C, patience: Duration) -> Self {
        Self { client: Client::builder(TokioExecutor::new()).build(connector), patience }
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> io::Result<Bytes> {
        let response = self.client.request(request).await.map_err(io::Error::other)?;
        if response.status() != http::StatusCode::OK {
            return Err(io::Error::other(format!("the answer's status is {}", response.status())));
        }
        let body = Limited::new(response.into_body(), MAX_BODY).collect().await.map_err(io::Error::other)?;
        Ok(body.to_bytes())
    }

    async fn send_in_time(&self, request: http::Result<Request<Full<Bytes>>>) -> io::Result<Bytes> {
        let request = request.map_err(io::Error::other)?;
        tokio::time::timeout(self.patience, self.send(request))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<C: Connect + Clone + Send + Sync + 'static> KeyFetcher for Fetcher<C> {
    async fn fetch(&self, url: &str) -> io::Result<Bytes> {
        self.send_in_time(Request::get(url).body(Full::default())).await
    }

    async fn post_json(&self, url: &str, json: Bytes) -> io::Result<Bytes> {
        let request = Request::post(url).header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.send_in_time(request.body(Full::new(json))).await
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::sync::mpsc;

    use super::*;

    /// Answers every request so, and tells their heads. Without an answer it holds the line.
    async fn server(answer: Option<String>) -> (String, mpsc::UnboundedReceiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/key.pem", listener.local_addr().expect("a bound socket"));
        let (heads, told) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut open = Vec::new();
            loop {
                let (mut connection, _) = listener.accept().await.expect("a connection");
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(connection.read_u8().await.expect("a head"));
                }
                heads.send(String::from_utf8(head).expect("text")).expect("a test that listens");
                if let Some(answer) = &answer {
                    // Whoever has had enough leaves before the end.
                    let _ = connection.write_all(answer.as_bytes()).await;
                }
                open.push(connection);
            }
        });
        (url, told)
    }

    fn fetcher() -> Fetcher<HttpConnector> {
        Fetcher::by_way_of(HttpConnector::new(), Duration::from_secs(30))
    }

    fn ok(body: &str) -> Option<String> {
        Some(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
    }

    #[tokio::test]
    async fn a_body_is_fetched() {
        let (url, mut heads) = server(ok("a key")).await;
        assert_eq!(fetcher().fetch(&url).await.ok().as_deref(), Some(&b"a key"[..]));
        let head = heads.recv().await.expect("a request");
        assert!(head.starts_with("GET /key.pem HTTP/1.1\r\n"), "{head}");
        assert_eq!(head.lines().count(), 3, "only a host is sent along: {head}");
    }

    #[tokio::test]
    async fn redirects_are_not_followed() {
        let (elsewhere, mut asked) = server(ok("another's key")).await;
        for status in
            ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"]
        {
            let answer = format!("HTTP/1.1 {status}\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\n\r\n");
            let (url, mut heads) = server(Some(answer)).await;
            let error = fetcher().fetch(&url).await.expect_err("no key");
            assert!(error.to_string().contains(&status[..3]), "{error}");
            heads.recv().await.expect("a request");
            assert!(heads.try_recv().is_err() && asked.try_recv().is_err(), "{status} was followed");
        }
    }

    #[tokio::test]
    async fn nothing_but_success_is_an_answer() {
        for status in ["201 Created", "204 No Content", "404 Not Found", "500 Internal Server Error"] {
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
            let (url, _heads) = server(Some(answer)).await;
            assert!(fetcher().fetch(&url).await.is_err(), "{status}");
        }
    }

    #[tokio::test]
    async fn a_body_is_bounded() {
        let largest = "x".repeat(MAX_BODY);
        let (url, _heads) = server(ok(&largest)).await;
        assert_eq!(fetcher().fetch(&url).await.map(|it| it.len()).ok(), Some(MAX_BODY));
        let (url, _heads) = server(ok(&format!("{largest}x"))).await;
        assert!(fetcher().fetch(&url).await.is_err());
        // Of a length that nobody announced, and that never ends.
        let endless = format!("HTTP/1.1 200 OK\r\n\r\n{largest}x");
        let (url, _heads) = server(Some(endless)).await;
        assert!(fetcher().fetch(&url).await.is_err());
    }

    #[tokio::test]
    async fn patience_ends() {
        let hasty = Fetcher::by_way_of(HttpConnector::new(), Duration::from_millis(50));
        for answer in [None, Some("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".to_owned())] {
            let (url, _heads) = server(answer).await;
            let error = hasty.fetch(&url).await.expect_err("no key");
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        }
    }

    #[tokio::test]
    async fn only_tls_will_do() {
        let (url, mut heads) = server(ok("a key")).await;
        let fetcher = HttpsFetcher::new().expect("the machine's roots");
        assert!(fetcher.fetch(&url).await.is_err());
        assert!(heads.try_recv().is_err(), "nothing was sent");
    }
}
