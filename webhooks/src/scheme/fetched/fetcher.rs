//! Fetching what a vendor publishes to verify with.

use std::future::Future;
use std::io;

use bytes::Bytes;
use futures_util::future::BoxFuture;

/// Fetches what vendors publish to verify with: certificates.
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
}

/// The object-safe twin of [`KeyFetcher`].
pub(crate) trait DynKeyFetcher: Send + Sync + 'static {
    fn fetch_boxed<'a>(&'a self, url: &'a str) -> BoxFuture<'a, io::Result<Bytes>>;
}

impl<F: KeyFetcher> DynKeyFetcher for F {
    fn fetch_boxed<'a>(&'a self, url: &'a str) -> BoxFuture<'a, io::Result<Bytes>> {
        Box::pin(self.fetch(url))
    }
}
