//! What was fetched, kept: bounded in number and in time, and each fetched once however many ask at once.

mod budget;

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};

use super::fetcher::DynKeyFetcher;
use crate::clock::{Clock, Moment};
use crate::rejection::Rejection;
use budget::Budget;

/// The most that is kept of one vendor's, which has one or two certificates or keys in use.
const MAX_KEPT: usize = 16;

/// How long something is kept before it is fetched again. What stands at a URL with a certificate's name does not
/// change, and keys are replaced by keys with other names.
const KEPT_FOR: Duration = Duration::from_secs(24 * 3_600);

/// How long after that it still serves, as long as it cannot be fetched: nobody must be able to shut a vendor out by
/// keeping its keys from us.
const STALE_FOR: Duration = Duration::from_secs(7 * 24 * 3_600);

/// How long a failure is kept, and how long something that does not have the wanted key.
const PAUSE: Duration = Duration::from_secs(10);

/// How long it is remembered that something was asked for.
const SPAN: Duration = Duration::from_secs(60);

/// What a vendor publishes, by URL or by another name.
pub(super) struct Published<T> {
    parse: fn(&[u8]) -> Option<T>,
    fetcher: Arc<dyn DynKeyFetcher>,
    clock: Clock,
    state: Mutex<State<T>>,
}

struct State<T> {
    kept: HashMap<String, Kept<T>>,
    /// What is being fetched, and what has failed lately.
    pending: HashMap<String, Asked<T>>,
    /// For what was fetched before, so that strangers cannot use up what genuine deliveries need.
    for_known: Budget,
    for_strangers: Budget,
}

struct Kept<T> {
    it: Arc<T>,
    since: Moment,
    /// Whether a genuine delivery was verified with it.
    proven: bool,
}

struct Asked<T> {
    pending: Pending<T>,
    since: Moment,
}

type Fetching = BoxFuture<'static, io::Result<Bytes>>;

type Pending<T> = Shared<BoxFuture<'static, Option<Arc<T>>>>;

enum Found<T> {
    Kept(Arc<T>),
    /// Under way; with what serves if it fails.
    Pending(Pending<T>, Option<Arc<T>>),
}

impl<T: Send + Sync + 'static> Published<T> {
    pub(super) fn new(parse: fn(&[u8]) -> Option<T>, fetcher: Arc<dyn DynKeyFetcher>, clock: Clock) -> Self {
        let state = State {
            kept: HashMap::new(),
            pending: HashMap::new(),
            for_known: Budget::full(),
            for_strangers: Budget::full(),
        };
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
        let (pending, stale) = match self.look(name, suits, fetch)? {
            Found::Kept(it) => return Ok(it),
            Found::Pending(pending, stale) => (pending, stale),
        };
        let Some(it) = pending.await else { return stale.ok_or(Rejection::KeysUnavailable) };
        self.state().keep(name, &it, self.clock.monotonic());
        Ok(it)
    }

    /// Notes that a genuine delivery was verified with what goes by this name: it then makes room for nothing that was
    /// only asked for.
    pub(super) fn prove(&self, name: &str) {
        if let Some(kept) = self.state().kept.get_mut(name) {
            kept.proven = true;
        }
    }

    fn look(
        &self,
        name: &str,
        suits: impl Fn(&T) -> bool,
        fetch: impl FnOnce(Arc<dyn DynKeyFetcher>) -> Fetching,
    ) -> Result<Found<T>, Rejection> {
        let now = self.clock.monotonic();
        let mut state = self.state();
        let mut stale = None;
        if let Some(kept) = state.kept.get(name) {
            let (suits, age) = (suits(&kept.it), now.saturating_sub(kept.since));
            if age < if suits { KEPT_FOR } else { PAUSE } {
                return Ok(Found::Kept(Arc::clone(&kept.it)));
            }
            stale = (suits && age < KEPT_FOR + STALE_FOR).then(|| Arc::clone(&kept.it));
        }
        if let Some(asked) = state.pending.get(name)
            && (asked.pending.peek().is_none() || now.saturating_sub(asked.since) < PAUSE)
        {
            return Ok(Found::Pending(asked.pending.clone(), stale));
        }
        if !state.may_fetch(name, now) {
            return stale.map(Found::Kept).ok_or(Rejection::KeysUnavailable);
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
        // It goes on when the delivery that began it is given up: others wait for it, or will.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(pending.clone());
        }
        state.pending.insert(name.to_owned(), Asked { pending: pending.clone(), since: now });
        Ok(Found::Pending(pending, stale))
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    fn may_fetch(&mut self, name: &str, now: Moment) -> bool {
        // Old failures, and what came when nobody waited for it any more.
        self.pending.retain(|_, it| now.saturating_sub(it.since) < SPAN);
        let known = self.kept.contains_key(name);
        if known { &mut self.for_known } else { &mut self.for_strangers }.take(now)
    }

    fn keep(&mut self, name: &str, it: &Arc<T>, now: Moment) {
        // Whoever comes first of those who waited has kept it already.
        if self.pending.remove(name).is_none() {
            return;
        }
        let proven = self.kept.get(name).is_some_and(|it| it.proven);
        if self.kept.len() >= MAX_KEPT && !self.kept.contains_key(name) {
            let first = self.kept.iter().min_by_key(|(_, it)| (it.proven, it.since));
            let first = first.map(|(name, _)| name.clone());
            first.and_then(|name| self.kept.remove(&name));
        }
        self.kept.insert(name.to_owned(), Kept { it: Arc::clone(it), since: now, proven });
    }
}
