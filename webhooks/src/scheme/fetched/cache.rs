//! What was fetched, kept: bounded in number and in time, and each fetched once however many ask at once.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};

use super::fetcher::DynKeyFetcher;
use crate::clock::Clock;
use crate::rejection::Rejection;

/// The most that is kept of one vendor's, which has one or two certificates or keys in use.
const MAX_KEPT: usize = 16;

/// How long something is kept. What stands at a URL with a certificate's name does not change, and keys
/// are replaced by keys with other names.
const KEPT_FOR: Duration = Duration::from_secs(24 * 3_600);

/// How long a failure is kept, and how long something that does not have the wanted key.
const PAUSE: Duration = Duration::from_secs(10);

/// The most that is fetched in each [`SPAN`], so that nobody can use this service to pester the vendor: whoever writes
/// URLs of the right form into requests gets no further than this.
const MAX_FETCHES: usize = 8;

const SPAN: Duration = Duration::from_secs(60);

/// What a vendor publishes, by URL or by another name.
pub(super) struct Published<T> {
    parse: fn(&[u8]) -> Option<T>,
    fetcher: Arc<dyn DynKeyFetcher>,
    clock: Clock,
    state: Mutex<State<T>>,
}

struct State<T> {
    kept: HashMap<String, Kept<Arc<T>>>,
    /// What is being fetched, and what has failed lately.
    pending: HashMap<String, Kept<Pending<T>>>,
    /// When the span began, and how much was fetched in it.
    span: (Duration, usize),
}

struct Kept<T> {
    it: T,
    since: Duration,
}

type Fetching = BoxFuture<'static, io::Result<Bytes>>;

type Pending<T> = Shared<BoxFuture<'static, Option<Arc<T>>>>;

enum Found<T> {
    Kept(Arc<T>),
    Pending(Pending<T>),
}

impl<T: Send + Sync + 'static> Published<T> {
    pub(super) fn new(parse: fn(&[u8]) -> Option<T>, fetcher: Arc<dyn DynKeyFetcher>, clock: Clock) -> Self {
        let state = State { kept: HashMap::new(), pending: HashMap::new(), span: (Duration::ZERO, 0) };
        Self { parse, fetcher, clock, state: Mutex::new(state) }
    }

    /// What stands at a URL, whose form the caller has checked; fetched anew where what is kept does not suit.
    pub(super) async fn get(&self, url: &str, suits: impl Fn(&T) -> bool) -> Result<Arc<T>, Rejection> {
        let wanted = url.to_owned();
        self.get_by(url, suits, |fetcher| async move { fetcher.fetch_boxed(&wanted).await }.boxed()).await
    }

    /// What goes by a name, whose form the caller has checked; `fetch` fetches it, if that is still to be done.
    pub(super) async fn get_by(
        &self,
        name: &str,
        suits: impl Fn(&T) -> bool,
        fetch: impl FnOnce(Arc<dyn DynKeyFetcher>) -> Fetching,
    ) -> Result<Arc<T>, Rejection> {
        let pending = match self.look(name, suits, fetch)? {
            Found::Kept(it) => return Ok(it),
            Found::Pending(pending) => pending,
        };
        let it = pending.await.ok_or(Rejection::KeysUnavailable)?;
        self.state().keep(name, &it, self.clock.monotonic());
        Ok(it)
    }

    fn look(
        &self,
        name: &str,
        suits: impl Fn(&T) -> bool,
        fetch: impl FnOnce(Arc<dyn DynKeyFetcher>) -> Fetching,
    ) -> Result<Found<T>, Rejection> {
        let now = self.clock.monotonic();
        let mut state = self.state();
        if let Some(kept) = state.kept.get(name) {
            let lifetime = if suits(&kept.it) { KEPT_FOR } else { PAUSE };
            if now.saturating_sub(kept.since) < lifetime {
                return Ok(Found::Kept(Arc::clone(&kept.it)));
            }
        }
        if let Some(pending) = state.pending.get(name)
            && (pending.it.peek().is_none() || now.saturating_sub(pending.since) < PAUSE)
        {
            return Ok(Found::Pending(pending.it.clone()));
        }
        if !state.may_fetch(now) {
            return Err(Rejection::KeysUnavailable);
        }
        let (fetching, parse, wanted) = (fetch(Arc::clone(&self.fetcher)), self.parse, name.to_owned());
        let fetch = async move {
            match fetching.await {
                Ok(text) => parse(&text).map(Arc::new),
                Err(error) => {
                    tracing::warn!(wanted, %error, "a provider's keys cannot be fetched");
                    None
                }
            }
        };
        let pending = fetch.boxed().shared();
        state.pending.insert(name.to_owned(), Kept { it: pending.clone(), since: now });
        Ok(Found::Pending(pending))
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    fn may_fetch(&mut self, now: Duration) -> bool {
        if now.saturating_sub(self.span.0) >= SPAN {
            self.span = (now, 0);
            // Old failures, and fetches that everybody who waited has left.
            self.pending.retain(|_, it| now.saturating_sub(it.since) < SPAN);
        }
        self.span.1 += 1;
        self.span.1 <= MAX_FETCHES
    }

    fn keep(&mut self, name: &str, it: &Arc<T>, now: Duration) {
        // Whoever comes first of those who waited has kept it already.
        if self.pending.remove(name).is_none() {
            return;
        }
        if self.kept.len() >= MAX_KEPT && !self.kept.contains_key(name) {
            let oldest = self.kept.iter().min_by_key(|(_, it)| it.since).map(|(name, _)| name.clone());
            oldest.and_then(|name| self.kept.remove(&name));
        }
        self.kept.insert(name.to_owned(), Kept { it: Arc::clone(it), since: now });
    }
}
