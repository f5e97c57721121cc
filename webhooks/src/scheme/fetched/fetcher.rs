//! Fetching what a vendor publishes to verify with.

use std::future::Future;
use std::io;

use bytes::Bytes;
use futures_util::future::BoxFuture;

/// Fetches what vendors publish to verify with: certificates and keys.
///
/// Every URL it is given is `https` and matches the vendor's exact host and path. It must not follow redirects, and
/// should give up after some seconds and some tens of kilobytes. Replace the built-in one with
/// [`Builder::key_fetcher`](crate::Builder::key_fetcher), in tests or where traffic goes through a proxy.
///
/// ```
/// use bytes::Bytes;
/// use webhooks::KeyFetcher;
///
/// struct Fixture;
///
/// impl KeyFetcher for Fixture {
///     async fn fetch(&self, url: &str) -> std::io::Result<Bytes> {
///         Err(std::io::Error::other(format!("{url} is not part of this test")))
///     }
/// }
/// ```
pub trait KeyFetcher: Send + Sync + 'static {
    /// The body that `GET` of this URL is answered with, if the status is 200.
    fn fetch(&self, url: &str) -> impl Future<Output = io::Result<Bytes>> + Send;

    /// The body that `POST` of this JSON to this URL is answered with, if the status is 200. The JSON may hold
    /// credentials. Only Plaid is asked like this; unless written, it fails.
    fn post_json(&self, url: &str, json: Bytes) -> impl Future<Output = io::Result<Bytes>> + Send {
        let _ = (url, json);
        async { Err(io::Error::from(io::ErrorKind::Unsupported)) }
    }
}

/// The object-safe twin of [`KeyFetcher`].
pub(crate) trait DynKeyFetcher: Send + Sync + 'static {
    fn fetch_boxed<'a>(&'a self, url: &'a str) -> BoxFuture<'a, io::Result<Bytes>>;

    #[cfg_attr(
        not(any(feature = "p256", feature = "test-util")),
        expect(dead_code, reason = "Plaid's keys are on the curve P-256")
    )]
    fn post_json_boxed<'a>(&'a self, url: &'a str, json: Bytes) -> BoxFuture<'a, io::Result<Bytes>>;
}

impl<F: KeyFetcher> DynKeyFetcher for F {
    fn fetch_boxed<'a>(&'a self, url: &'a str) -> BoxFuture<'a, io::Result<Bytes>> {
        Box::pin(self.fetch(url))
    }

    fn post_json_boxed<'a>(&'a self, url: &'a str, json: Bytes) -> BoxFuture<'a, io::Result<Bytes>> {
        Box::pin(self.post_json(url, json))
    }
}
