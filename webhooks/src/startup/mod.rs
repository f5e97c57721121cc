//! From settings and code to a running processor: every problem is found here, all of them at once.

use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::clock::Clock;
use crate::document::{Node, Origin, Table, Value};
use crate::error::Error;
use crate::listener::WebhookEventListener;
use crate::listener::bound::Handler;
use crate::listener::extract::States;
use crate::listener::options::RunOptions;
use crate::listener::registry::{self, ListenerRegistration};
use crate::listener::validators::DynValidator;
use crate::problem::Problems;
use crate::scheme::SignatureValidator;
use crate::settings::{self, Settings, merge};
use crate::store::{self, DynStore, WebhookEventStore};

pub(crate) mod assemble;
pub(crate) mod development;
pub(crate) mod processor_builder;
pub(crate) mod source_builder;
pub(crate) mod webhooks;

#[cfg(feature = "postgres")]
mod effects;
mod engines;
mod fetching;
mod inbox;
#[cfg(test)]
mod lacking;
mod listeners;
mod secrets;
mod sources;
mod stores;
mod validators;
mod warnings;

pub(crate) use inbox::look_in as open_inbox;
use source_builder::SourceBuilder;
use webhooks::Webhooks;

/// Takes the settings from `webhooks.toml` and the environment and the listeners from everywhere in this binary, and
/// assembles them when awaited.
///
/// ```no_run
/// # struct Ledger;
/// #[tokio::main]
/// async fn main() -> Result<(), webhooks::Error> {
///     webhooks::autoconfigure().state(Ledger).await?.serve().await
/// }
/// ```
pub fn autoconfigure() -> Builder {
    let parts = Parts { registered_validators: true, ..Parts::default() };
    Builder { surroundings: true, registered: true, parts, ..Builder::empty() }
}

/// Assembles [`Webhooks`]. Awaiting it (or [`build`](Self::build)) finds all problems before it fails.
///
/// [`autoconfigure`] begins with the settings and listeners that surround it; [`Webhooks::builder`] with nothing.
#[must_use = "a builder does nothing until it is awaited"]
pub struct Builder {
    /// Take settings from the file and the environment.
    surroundings: bool,
    /// Take the listeners that attributes registered.
    registered: bool,
    base: Base,
    /// What was set in code: laid over everything else.
    overlay: Table,
    parts: Parts,
}

/// What code gives, as opposed to settings.
pub(crate) struct Parts {
    pub(crate) states: States,
    pub(crate) functions: Vec<ListenerRegistration>,
    pub(crate) listeners: Vec<TraitListener>,
    pub(crate) validators: Vec<(String, DynValidator)>,
    /// Look among the validators that attributes registered, too.
    pub(crate) registered_validators: bool,
    pub(crate) store: Option<Arc<dyn DynStore>>,
    #[cfg(feature = "fetch")]
    pub(crate) key_fetcher: Option<Arc<dyn crate::scheme::DynKeyFetcher>>,
    pub(crate) clock: Clock,
    /// Sources without secrets may be lent one, where the rest allows it.
    pub(crate) development: bool,
    /// What a test puts in.
    #[cfg(feature = "test-util")]
    pub(crate) rehearsal: Option<crate::rehearsal::Rehearsal>,
}

/// A [`WebhookEventListener`], with what it says of itself.
pub(crate) struct TraitListener {
    pub(crate) id: String,
    pub(crate) source: String,
    pub(crate) events: Vec<String>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) options: RunOptions,
    pub(crate) handler: Arc<dyn Handler>,
}

enum Base {
    Nothing,
    Settings(Settings),
    Figment(Box<figment::Figment>),
}

impl Builder {
    pub(crate) fn empty() -> Self {
        Self {
            surroundings: false,
            registered: false,
            base: Base::Nothing,
            overlay: Table::new(),
            parts: Parts::default(),
        }
    }

    /// Gives a value to all listeners that take `State<T>`. One value a type.
    pub fn state<T: Send + Sync + 'static>(self, value: T) -> Self {
        self.shared_state(Arc::new(value))
    }

    /// Gives a value that is shared with the rest of the application.
    pub fn shared_state<T: Send + Sync + 'static>(mut self, value: Arc<T>) -> Self {
        self.parts.states.insert(value);
        self
    }

    /// Takes the settings from a figment of your own, under its key `webhooks`, instead of file and environment.
    pub fn figment(mut self, figment: figment::Figment) -> Self {
        self.surroundings = false;
        self.base = Base::Figment(Box::new(figment));
        self
    }

    /// Takes the settings from a value, a part of your own configuration, instead of file and environment.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.surroundings = false;
        self.base = Base::Settings(settings);
        self
    }

    /// Configures a source in code, on top of any settings.
    ///
    /// ```
    /// # let _ =
    /// webhooks::Webhooks::builder().source("stripe", |s| s.secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
    /// # ;
    /// ```
    pub fn source(mut self, name: &str, configure: impl FnOnce(SourceBuilder) -> SourceBuilder) -> Self {
        let source = configure(SourceBuilder::default()).into_table();
        let sources = Table::from([(name.to_owned(), in_code(Value::Table(source)))]);
        merge(&mut self.overlay, Table::from([("sources".to_owned(), in_code(Value::Table(sources)))]));
        self
    }

    /// Sets `webhooks.http.bind` in code: `host:port`.
    pub fn bind(self, address: impl Into<String>) -> Self {
        self.set_http("bind", address.into())
    }

    /// Sets `webhooks.http.public_url` in code.
    pub fn public_url(self, url: impl Into<String>) -> Self {
        self.set_http("public_url", url.into())
    }

    /// Adds a listener that is a type.
    pub fn listener<L: WebhookEventListener>(mut self, listener: L) -> Self {
        self.parts.listeners.push(TraitListener {
            id: listener.id(),
            source: listener.source().to_owned(),
            events: listener.events(),
            timeout: listener.timeout(),
            options: RunOptions {
                retry: listener.retry(),
                order_by: listener.order_by(),
                concurrency: listener.concurrency(),
            },
            handler: Arc::new(listener),
        });
        self
    }

    /// Adds annotated functions by name, for builds in which registration by the linker is not wanted:
    /// `.listeners(webhooks::listeners![billing::on_paid])`.
    pub fn listeners(mut self, listeners: impl IntoIterator<Item = ListenerRegistration>) -> Self {
        self.parts.functions.extend(listeners);
        self
    }

    /// Takes just these annotated functions, and none of those that registered themselves. Validators that did are
    /// still found by their names.
    pub fn only(mut self, listeners: impl IntoIterator<Item = ListenerRegistration>) -> Self {
        self.registered = false;
        self.listeners(listeners)
    }

    /// Gives a validator a name, for `validator = "…"` in a source's settings.
    pub fn validator(mut self, name: impl Into<String>, validator: impl SignatureValidator) -> Self {
        self.parts.validators.push((name.into(), DynValidator(Arc::new(validator))));
        self
    }

    /// Uses a store of your own, instead of the one that the settings choose.
    pub fn store(mut self, store: impl WebhookEventStore) -> Self {
        self.parts.store = Some(store::share(store));
        self
    }

    /// Fetches what vendors publish to verify with in a way of your own.
    #[cfg(feature = "fetch")]
    pub fn key_fetcher(mut self, fetcher: impl crate::KeyFetcher) -> Self {
        self.parts.key_fetcher = Some(Arc::new(fetcher));
        self
    }

    /// Reads the time from `clock`.
    #[cfg(any(test, feature = "test-util"))]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.parts.clock = clock;
        self
    }

    /// Assembles everything.
    ///
    /// # Errors
    /// With every problem there is, each with its place and remedy.
    pub async fn build(mut self) -> Result<Webhooks, Error> {
        let problems = Problems::default();
        let mut settings = match self.base {
            Base::Nothing if self.surroundings => {
                settings::from_surroundings(sources_of(&self.overlay), &problems)
            }
            Base::Nothing => Settings::default(),
            Base::Settings(settings) => settings,
            Base::Figment(figment) => settings::from_figment(&figment, &problems),
        };
        merge(&mut settings.table, self.overlay);
        if self.registered {
            self.parts.functions.extend(registry::registered());
        }
        assemble::webhooks(&settings, self.parts, problems).await
    }

    /// Assembles for a test: sources get what they lack, and the clock can be turned. Returned is the clock.
    #[cfg(feature = "test-util")]
    pub(crate) fn rehearsed(mut self, rehearsal: crate::rehearsal::Rehearsal) -> (Self, Clock) {
        #[cfg(feature = "fetch")]
        {
            let (keyring, otherwise) = (rehearsal.keyring.clone(), self.parts.key_fetcher.take());
            self = self.key_fetcher(crate::rehearsal::KeyringFetcher { keyring, otherwise });
        }
        if !self.parts.clock.is_turnable() {
            self.parts.clock = Clock::turnable();
        }
        self.parts.rehearsal = Some(rehearsal);
        let clock = self.parts.clock.clone();
        (self, clock)
    }

    /// Lends no secrets: for those who never call `serve()`.
    pub(crate) fn without_development(mut self) -> Self {
        self.parts.development = false;
        self
    }

    fn set_http(mut self, key: &str, value: String) -> Self {
        let http = Table::from([(key.to_owned(), in_code(Value::String(value)))]);
        merge(&mut self.overlay, Table::from([("http".to_owned(), in_code(Value::Table(http)))]));
        self
    }
}

/// The sources that are named in code.
fn sources_of(overlay: &Table) -> impl Iterator<Item = &str> {
    let sources = overlay.get("sources").and_then(|it| match &it.value {
        Value::Table(sources) => Some(sources),
        _ => None,
    });
    sources.into_iter().flat_map(|it| it.keys().map(String::as_str))
}

impl IntoFuture for Builder {
    type Output = Result<Webhooks, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.build())
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").finish_non_exhaustive()
    }
}

impl Default for Parts {
    fn default() -> Self {
        Self {
            states: States::default(),
            functions: Vec::new(),
            listeners: Vec::new(),
            validators: Vec::new(),
            registered_validators: false,
            store: None,
            #[cfg(feature = "fetch")]
            key_fetcher: None,
            clock: Clock::default(),
            development: true,
            #[cfg(feature = "test-util")]
            rehearsal: None,
        }
    }
}

impl Parts {
    /// Whether sources that nobody has configured may be lent what they need.
    fn lends(&self) -> bool {
        #[cfg(feature = "test-util")]
        if self.rehearsal.is_some() {
            return true;
        }
        self.development
    }
}

/// A value that was set in code.
pub(crate) fn in_code(value: Value) -> Node {
    Node { value, origin: Origin::Other("the code".into()) }
}
