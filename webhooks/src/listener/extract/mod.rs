//! What a listener's arguments may be, and how they come by their values. One file each.
//!
//! | argument | what it is |
//! |---|---|
//! | [`Event<T>`](Event) | the payload, deserialised into `T` |
//! | [`WebhookEvent`](crate::WebhookEvent) | the event's metadata: id, type, attempt, … |
//! | [`State<T>`](State), `Option<State<T>>` | what was given to `.state(…)` |
//! | [`HeaderMap`](http::HeaderMap) | the delivery's headers |
//! | [`Bytes`](bytes::Bytes) | the delivery's raw body |
//! | [`Attempt`] | which attempt this is, from 1 |
//! | `Tx<Postgres>` | a transaction in the user's own database; feature `postgres` |
//!
//! An argument of your own implements [`FromEvent`].

use std::any::{Any, TypeId, type_name};
use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::sync::Arc;

use super::registry::OnError;
use crate::error::Result;
use crate::event::WebhookEvent;
use crate::problem::Problems;

mod attempt;
mod body;
mod event;
mod headers;
mod metadata;
mod run;
mod state;
#[cfg(feature = "postgres")]
mod tx;

pub use attempt::Attempt;
pub use event::Event;
#[cfg(feature = "postgres")]
pub(crate) use run::Completion;
pub(crate) use run::{Run, Stop};
pub use state::State;
#[cfg(feature = "postgres")]
pub use tx::Tx;

/// An argument of your own: anything that can be made from the event.
///
/// ```
/// use webhooks::{FromEvent, WebhookEvent};
///
/// struct Tenant(String);
///
/// impl FromEvent for Tenant {
///     async fn from_event(event: &WebhookEvent) -> webhooks::Result<Self> {
///         let tenant = event.headers().get("x-tenant").ok_or("no x-tenant header")?;
///         Ok(Tenant(tenant.to_str()?.to_owned()))
///     }
/// }
/// ```
pub trait FromEvent: Sized + Send {
    /// Makes the argument. An error is the listener's failure; the listener does not run.
    fn from_event(event: &WebhookEvent) -> impl Future<Output = Result<Self>> + Send;
}

/// What the library asks of an argument. Implement [`FromEvent`] instead.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not something that a webhook listener can take",
    label = "not an extractor",
    note = "a listener takes `Event<T>` (T: DeserializeOwned), `WebhookEvent`, `State<T>`, `Option<State<T>>`, \
            `HeaderMap`, `Bytes`, `Attempt`, `Tx<Postgres>` (feature `postgres`), or a type of yours that implements `webhooks::FromEvent`"
)]
pub trait Extract: Sized + Send {
    /// What was resolved at startup.
    #[doc(hidden)]
    type Bound: Send + Sync + 'static;

    /// Once, at startup: resolves state, and notes what is missing.
    #[doc(hidden)]
    fn bind(bind: &mut Bind<'_>) -> Option<Self::Bound>;

    /// Once per run.
    #[doc(hidden)]
    fn extract(bound: &Self::Bound, run: &mut Run<'_>) -> impl Future<Output = Result<Self, Stop>> + Send;
}

impl<T: FromEvent> Extract for T {
    type Bound = ();

    fn bind(_: &mut Bind<'_>) -> Option<()> {
        Some(())
    }

    async fn extract(_: &(), run: &mut Run<'_>) -> Result<Self, Stop> {
        Ok(T::from_event(run.event()).await?)
    }
}

/// A listener being wired up: the state there is, and a place to note what is missing.
#[doc(hidden)]
pub struct Bind<'a> {
    states: &'a States,
    /// As messages name the listener.
    label: String,
    on_error: Option<OnError>,
    problems: &'a Problems,
    takes_transaction: bool,
}

impl<'a> Bind<'a> {
    pub(crate) fn new(
        states: &'a States,
        label: String,
        on_error: Option<OnError>,
        problems: &'a Problems,
    ) -> Self {
        Self { states, label, on_error, problems, takes_transaction: false }
    }

    /// What is called after each failure of the listener.
    pub(crate) fn on_error(&self) -> Option<OnError> {
        self.on_error
    }

    /// Whether one of the arguments is a transaction.
    pub(crate) fn takes_transaction(&self) -> bool {
        self.takes_transaction
    }

    fn state<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.states.get()
    }

    /// An `argument` needs a state of this type, and there is none.
    fn missing(&self, argument: &str, type_name: &str, help: &str) {
        let what = format!("listener {} takes `{argument}`, but no `{type_name}` was given", self.label);
        self.problems.add_of_listener(what, help);
    }

    /// An `argument` is a transaction. Two could not commit together.
    #[cfg(feature = "postgres")]
    fn note_transaction(&mut self, argument: &str) {
        if std::mem::replace(&mut self.takes_transaction, true) {
            self.problems.add_of_listener(
                format!("listener {} takes a second `{argument}`: two do not commit together", self.label),
                "take one, and use it for everything",
            );
        }
    }
}

impl std::fmt::Debug for Bind<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bind({})", self.label)
    }
}

/// The values given to `.state(…)`, one per type.
#[derive(Default)]
pub(crate) struct States {
    values: HashMap<TypeId, Arc<dyn Any + Send + Sync>>,
    /// The types of which there is more than one.
    repeated: BTreeSet<&'static str>,
}

impl States {
    pub(crate) fn insert<T: Send + Sync + 'static>(&mut self, value: Arc<T>) {
        if self.values.insert(TypeId::of::<T>(), value).is_some() {
            self.repeated.insert(type_name::<T>());
        }
    }

    pub(crate) fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.values.get(&TypeId::of::<T>()).cloned().and_then(|it| it.downcast().ok())
    }

    /// Notes types of which several values were given: which of them a listener gets must not be left to chance.
    pub(crate) fn check(&self, problems: &Problems) {
        for name in &self.repeated {
            let what = format!("more than one `{}` was given to .state(…)", short_type_name(name));
            problems.add(what, "give one, or wrap each in a type of its own");
        }
    }
}

/// `alloc::vec::Vec<billing::Ledger>` is `Vec<Ledger>`.
fn short_type_name(name: &str) -> String {
    let mut short = String::new();
    for part in name.split_inclusive(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')) {
        short.push_str(part.rsplit("::").next().unwrap_or(part));
    }
    short
}

/// `Ledger` is `ledger`, `BillingPool<Pg>` is `billing_pool`.
fn variable_name(type_name: &str) -> String {
    let mut name = String::new();
    for c in type_name.chars().take_while(|c| c.is_alphanumeric() || *c == '_') {
        if c.is_uppercase() && !name.is_empty() && !name.ends_with('_') {
            name.push('_');
        }
        name.extend(c.to_lowercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_as_their_users_write_them() {
        assert_eq!(short_type_name("billing::Ledger"), "Ledger");
        assert_eq!(short_type_name("alloc::vec::Vec<billing::db::Ledger>"), "Vec<Ledger>");
        assert_eq!(variable_name("BillingLedger<Pg>"), "billing_ledger");
    }
}
