//! Where claims live: who may run an event now, and which events are done.
//!
//! A key goes `absent → live → completed | released | dead`. What a store must do is small and exact; the
//! documentation of [`WebhookEventStore`] is the contract.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use futures_util::future::BoxFuture;

mod memory;
#[cfg(feature = "redis")]
mod redis;
mod timed;
pub(crate) mod uniform;

pub use crate::key::EventKey;
pub use memory::InMemoryWebhookEventStore;
#[cfg(feature = "redis")]
pub use redis::RedisWebhookEventStore;
pub(crate) use timed::share;

/// Remembers which events are being handled, and which are done.
///
/// # Contract
///
/// * [`claim`](Self::claim) is one atomic step: of any number of concurrent calls for a key, at most one is
///   [`Claim::Granted`] while that grant's lease lasts.
/// * The attempt is counted at the claim, so that attempts that crash count.
/// * All other calls name the grant's [`Token`], and answer `false`, changing nothing, when the key is no longer held
///   under it.
/// * [`settle`](Self::settle) asked again under the same token, because an answer was lost, may answer `true` as long
///   as the key is as it left it.
/// * Time is the store's own: no client's clock moves a lease.
/// * A record of an unknown version is [`Claim::Busy`], never absent.
pub trait WebhookEventStore: Send + Sync + 'static {
    /// Asks for the right to run the event now.
    fn claim(
        &self,
        key: &EventKey,
        terms: &ClaimTerms,
    ) -> impl Future<Output = Result<Claim, StoreError>> + Send;

    /// Extends a live claim to `lease` from now.
    fn renew(
        &self,
        key: &EventKey,
        token: Token,
        lease: Duration,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Notes, while others still run, that one listener is through with the event, so that a crash does not make it
    /// run again.
    fn record(
        &self,
        key: &EventKey,
        token: Token,
        fate: &ListenerFate,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Gives the claim up: the key becomes completed, released or dead, and is kept for the settlement's retention.
    fn settle(
        &self,
        key: &EventKey,
        token: Token,
        settlement: &Settlement,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Forgets the event, unless it is being handled. `false`: there was nothing to forget.
    fn forget(&self, key: &EventKey) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Looks at the store once, at startup: an error means that it cannot be reached or used, each text is a
    /// warning.
    fn check(&self) -> impl Future<Output = Result<Vec<String>, StoreError>> + Send {
        async { Ok(Vec::new()) }
    }

    /// Whether what is remembered is lost when this process ends.
    fn forgets_on_restart(&self) -> bool {
        false
    }
}

/// On what terms a claim is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClaimTerms {
    /// How long the claim lasts unless renewed.
    pub lease: Duration,
    /// How long a record that is not settled is kept after its last sign of life.
    pub retention: Duration,
    /// How many attempts in a row may go without settling (crash, kill, lost lease) before the key is dead.
    pub max_unsettled: u32,
}

impl ClaimTerms {
    /// Three attempts that never settled make a key dead: an event that kills its process must not do so for ever.
    pub const MAX_UNSETTLED: u32 = 3;

    /// Terms with the usual cap on attempts that never settle.
    pub fn new(lease: Duration, retention: Duration) -> Self {
        Self { lease, retention, max_unsettled: Self::MAX_UNSETTLED }
    }
}

/// The answer to a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// The event is the caller's to run, until the lease ends.
    Granted(Grant),
    /// Somebody else runs it.
    Busy {
        /// When their lease ends unless it is renewed.
        retry_after: Duration,
    },
    /// It was handled, within its retention.
    Completed,
    /// It has just become dead: this many attempts never settled. The next claim is granted again.
    CrashLoop {
        /// All attempts so far.
        attempts: u32,
    },
}

/// A granted claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Proves ownership to every later call.
    pub token: Token,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// The listeners that need not run again.
    pub settled: Vec<ListenerFate>,
}

/// What one listener's part in an event has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerFate {
    /// The listener's id.
    pub listener: String,
    /// Succeeded, or given up and why.
    pub fate: Fate,
}

/// How a listener is through with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It succeeded.
    Done,
    /// It was given up. Forgotten when a dead key is granted again.
    Dead(DeadReason),
}

/// Why a run was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeadReason {
    /// The listener said that no repetition will help.
    Permanent,
    /// `max_attempts` was reached.
    AttemptsExhausted,
    /// Too many attempts never settled: the event crashes its process, or outlasts every lease.
    CrashLoop,
}

impl DeadReason {
    /// The reason of this code.
    pub(crate) fn from_code(code: &str) -> Option<Self> {
        [Self::Permanent, Self::AttemptsExhausted, Self::CrashLoop].into_iter().find(|it| it.code() == code)
    }

    /// The reason as stored and logged.
    pub fn code(self) -> &'static str {
        match self {
            Self::Permanent => "permanent",
            Self::AttemptsExhausted => "attempts_exhausted",
            Self::CrashLoop => "crash_loop",
        }
    }
}

impl fmt::Display for DeadReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// How a claim is given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// What the key becomes.
    pub state: Settled,
    /// Every listener that is through with the event, those of earlier attempts included; empty when completed.
    pub settled: Vec<ListenerFate>,
    /// How long the key is remembered.
    pub retention: Duration,
}

/// What a key becomes when its claim is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// Every listener succeeded: the event is not handled again.
    Completed,
    /// Some failed: the next claim is granted, and runs only the others.
    Released,
    /// Given up: the next claim is granted all the same, for it is almost always a human's.
    Dead,
}

/// Proof of ownership of a claim: 128 random bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token(u128);

impl Token {
    /// A fresh token.
    pub fn random() -> Self {
        Self(rand::random())
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a store could not answer.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// It cannot be reached, or answers nonsense.
    Unavailable(Box<dyn std::error::Error + Send + Sync>),
    /// It holds as many unexpired keys as it may.
    Full,
    /// It can be reached, and would never grant a claim.
    Unsuitable {
        /// What is wrong with it.
        reason: String,
        /// What to do.
        remedy: String,
    },
}

impl StoreError {
    /// The store cannot be reached just now.
    pub fn unavailable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable(error.into())
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(_) => f.write_str("the idempotency store cannot be reached"),
            Self::Full => f.write_str("the idempotency store is full of keys that have not expired"),
            Self::Unsuitable { reason, .. } => write!(f, "the idempotency store cannot be used: {reason}"),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unavailable(error) => Some(&**error),
            Self::Full | Self::Unsuitable { .. } => None,
        }
    }
}

/// A [`WebhookEventStore`] behind a pointer.
pub(crate) trait DynStore: Send + Sync + 'static {
    fn claim<'a>(
        &'a self,
        key: &'a EventKey,
        terms: &'a ClaimTerms,
    ) -> BoxFuture<'a, Result<Claim, StoreError>>;
    fn renew<'a>(
        &'a self,
        key: &'a EventKey,
        token: Token,
        lease: Duration,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;
    fn record<'a>(
        &'a self,
        key: &'a EventKey,
        token: Token,
        fate: &'a ListenerFate,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;
    fn settle<'a>(
        &'a self,
        key: &'a EventKey,
        token: Token,
        settlement: &'a Settlement,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;
    fn forget<'a>(&'a self, key: &'a EventKey) -> BoxFuture<'a, Result<bool, StoreError>>;
    fn check(&self) -> BoxFuture<'_, Result<Vec<String>, StoreError>>;
    fn forgets_on_restart(&self) -> bool;
}

impl<S: WebhookEventStore> DynStore for S {
    fn claim<'a>(
        &'a self,
        key: &'a EventKey,
        terms: &'a ClaimTerms,
    ) -> BoxFuture<'a, Result<Claim, StoreError>> {
        Box::pin(WebhookEventStore::claim(self, key, terms))
    }

    fn renew<'a>(
        &'a self,
        key: &'a EventKey,
        token: Token,
        lease: Duration,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(WebhookEventStore::renew(self, key, token, lease))
    }

    fn record<'a>(
        &'a self,
        key: &'a EventKey,
        token: Token,
        fate: &'a ListenerFate,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(WebhookEventStore::record(self, key, token, fate))
    }

    fn settle<'a>(
        &'a self,
        key: &'a EventKey,
        token: Token,
        settlement: &'a Settlement,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(WebhookEventStore::settle(self, key, token, settlement))
    }

    fn forget<'a>(&'a self, key: &'a EventKey) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(WebhookEventStore::forget(self, key))
    }

    fn check(&self) -> BoxFuture<'_, Result<Vec<String>, StoreError>> {
        Box::pin(WebhookEventStore::check(self))
    }

    fn forgets_on_restart(&self) -> bool {
        WebhookEventStore::forgets_on_restart(self)
    }
}
