//! What a test puts into the webhooks that it assembles: keys to sign with, and eyes on every outcome and run.

mod keyring;
mod stand;
mod watched;
mod watched_inbox;
mod witness;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::inbox::Inbox;
use crate::listener::bound::{Handler, Listener};
use crate::listener::options::RunOptions;
use crate::settings::config::Config;
use crate::settings::source::SourceConfig;

pub(crate) use keyring::Keyring;
#[cfg(feature = "fetch")]
pub(crate) use keyring::KeyringFetcher;
pub(crate) use stand::{PUBLIC_URL, Stand};
pub(crate) use witness::Witness;
pub use witness::{RunReport, RunResult};

/// Puts a handler inside of another.
pub(crate) type Wrap = Arc<dyn Fn(&Arc<str>, Arc<dyn Handler>) -> Arc<dyn Handler> + Send + Sync>;

/// What a test puts into the webhooks that it assembles. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Rehearsal {
    /// The keys that are lent to sources; the same for all instances that know the same deliveries.
    pub(crate) keyring: Keyring,
    pub(crate) witness: Witness,
    /// What every listener is put inside of. Listeners then run while the provider waits, whatever the settings say.
    wrap: Option<Wrap>,
    stands: Arc<Mutex<HashMap<String, Arc<Stand>>>>,
    /// What each listener asks of its runs.
    options: Arc<Mutex<HashMap<Arc<str>, RunOptions>>>,
}

impl Rehearsal {
    /// For one of several instances that know the same deliveries, with every listener inside of something else.
    pub(crate) fn of_trial(keyring: Keyring, wrap: Wrap) -> Self {
        Self { keyring, wrap: Some(wrap), ..Self::default() }
    }

    /// Changes the settings to what the test asks for.
    pub(crate) fn prepare(&self, config: &mut Config) {
        if self.wrap.is_some() {
            config.inbox = None;
            config.sources.iter_mut().for_each(|source| source.inbox = None);
            // A trial makes runs fail that would not.
            config.inline.max_attempts = u32::MAX;
        }
    }

    /// Gives each source what it lacks so that its deliveries can be signed, and remembers how to sign them.
    pub(crate) fn lend(&self, config: &Config, sources: &mut [SourceConfig]) {
        for source in sources {
            let stand = Stand::for_source(&self.keyring, config, source);
            locked(&self.stands).insert(source.name.to_string(), Arc::new(stand));
        }
    }

    /// Has every run of the listener seen.
    pub(crate) fn watch(&self, mut listener: Listener) -> Listener {
        locked(&self.options).insert(Arc::clone(&listener.id), listener.declared.options);
        let mut handler = listener.handler;
        if let Some(wrap) = &self.wrap {
            handler = wrap(&listener.id, handler);
        }
        listener.handler = Arc::new(watched::Watched::new(&listener.id, handler, self.witness.clone()));
        listener
    }

    /// Has seen what the inbox begins afresh.
    pub(crate) fn watch_inbox(&self, inner: Arc<dyn Inbox>) -> Arc<dyn Inbox> {
        Arc::new(watched_inbox::WatchedInbox { inner, witness: self.witness.clone() })
    }

    /// What a listener asks of its runs; `None`: there is no such listener.
    pub(crate) fn options_of(&self, listener: &str) -> Option<RunOptions> {
        locked(&self.options).get(listener).copied()
    }

    /// How deliveries to a source are signed.
    pub(crate) fn stand(&self, source: &str) -> Option<Arc<Stand>> {
        locked(&self.stands).get(source).cloned()
    }

    /// The names of all sources, sorted.
    pub(crate) fn source_names(&self) -> Vec<String> {
        let mut names: Vec<_> = locked(&self.stands).keys().cloned().collect();
        names.sort();
        names
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
