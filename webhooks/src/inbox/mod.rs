//! The inbox: deliveries are stored before they are handled, so that what was answered 2xx is never lost.
//!
//! A delivery's events are put down with one *run* per listener that hears them; each run is claimed, retried and
//! given up on its own. [`intake`] stores, [`worker`] runs, [`upkeep`] forgets what is old; [`Inbox`] is what an engine
//! must do, and [`handle`] is how an operator looks in.
//!
//! **The attempt is the fence, and a claim a lease.** A claim adds one to the attempt and is good for a while; a settlement
//! names the attempt. So there is no running state, and nothing that would have to look for runs whose process has died:
//! they fall due again.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::Notify;

use crate::delivery::SourceName;
use crate::listener::options::OnDead;
use crate::run::inline::Binding;
use crate::run::lease::Claims;
use crate::scheme::Verified;
use crate::store::{DeadReason, EventKey};

pub(crate) mod failure;
pub(crate) mod gauges;
pub(crate) mod handle;
pub(crate) mod headers;
pub(crate) mod intake;
pub(crate) mod order;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
pub(crate) mod record;
pub(crate) mod retry;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;
pub(crate) mod staffed;
pub(crate) mod upkeep;
pub(crate) mod worker;

#[cfg(test)]
mod conformance;

use record::{EventRecord, EventSummary, Replayed, Selection};

/// Where deliveries live until their last listener is through, and for a while after.
///
/// # Contract
///
/// * [`put`](Self::put) answers only once everything is on disk, and puts down all of a delivery or nothing.
/// * A token is good for the body that it first came with: a delivery with another is refused, and nothing of it is put
///   down.
/// * An event whose key is known is not put down again; its dead runs, if it has any, are begun afresh.
/// * [`claim`](Self::claim) counts the attempt. A run whose last claim was never settled is a *suspect*: it is claimed
///   alone, when nothing else runs, and [`MAX_UNSETTLED`] such claims in a row make it dead; sooner, if that was the last
///   attempt that it may have.
/// * [`renew`](Self::renew) and [`settle`](Self::settle) name the attempt, and change nothing if it is no longer the
///   last.
/// * Of the runs of one listener that share an order key, only the first to arrive can be claimed.
/// * A run that is pending or dead always has its body.
pub(crate) trait Inbox: Send + Sync + 'static {
    /// Stores a delivery. One answer an event, in order.
    fn put(&self, parcel: Parcel) -> BoxFuture<'_, Result<Vec<Put>, InboxError>>;

    /// Takes runs that are due.
    fn claim(&self, wanted: Wanted) -> BoxFuture<'_, Result<Claimed, InboxError>>;

    /// Moves a lease on. `false`: the run is no longer the caller's. Called from a runtime of its own, since the caller's
    /// may be blocked by a listener.
    fn renew(&self, fence: Fence, lease: Duration) -> BoxFuture<'_, Result<bool, InboxError>>;

    /// Ends an attempt. `false`: it was no longer the caller's to end.
    fn settle(&self, fence: Fence, end: End) -> BoxFuture<'_, Result<bool, InboxError>>;

    /// Wakes the worker whenever another process has put something down; never returns. Looking from time to time is
    /// enough to find it, so an engine that only one process uses has nothing to do.
    fn watch(&self, _wake: Arc<Notify>) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }

    /// How much there is of what, by listener.
    fn counts(&self) -> BoxFuture<'_, Result<Vec<ListenerCount>, InboxError>>;

    /// Forgets a part of what is older than it has to be kept. `true`: there is more.
    fn sweep(&self) -> BoxFuture<'_, Result<bool, InboxError>>;

    /// The selected events, the latest first.
    fn list(&self, selection: Selection) -> BoxFuture<'_, Result<Vec<EventSummary>, InboxError>>;

    /// One event with all that happened to it.
    fn show(&self, event: i64) -> BoxFuture<'_, Result<Option<EventRecord>, InboxError>>;

    /// Has the selected runs begun afresh.
    fn replay(&self, selection: Selection) -> BoxFuture<'_, Result<Replayed, InboxError>>;

    /// Drops the selected runs, whatever their state, and the events that are left without one. How many runs.
    fn discard(&self, selection: Selection) -> BoxFuture<'_, Result<u64, InboxError>>;

    /// Forgets an event, so that it is handled anew when it is redelivered. `false`: it is not known, or not through yet.
    fn forget_event(&self, key: EventKey) -> BoxFuture<'_, Result<bool, InboxError>>;
}

/// How an inbox is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// To work it off. Where only one process may, one that is being replaced is waited for so long.
    Worker { patience: Duration },
    /// To look in and to mark, beside whoever works it off.
    Operator,
}

/// Three attempts that never settled make a run dead: an event that kills its process must not do so for ever.
pub(crate) const MAX_UNSETTLED: u32 = crate::store::ClaimTerms::MAX_UNSETTLED;

/// One delivery to be stored, with the events that somebody listens to.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(crate) source: SourceName,
    pub(crate) delivery_id: u128,
    pub(crate) received_at: SystemTime,
    pub(crate) verified: Verified,
    /// Those that may be kept, as [`headers`] writes them.
    pub(crate) headers: Vec<u8>,
    pub(crate) body: Bytes,
    /// What the signature covers where it does not cover the body. Remembered for events that nobody listens to as well.
    pub(crate) tokens: Vec<Binding>,
    pub(crate) events: Vec<NewEntry>,
}

/// One event to be stored.
#[derive(Debug)]
pub(crate) struct NewEntry {
    /// The same when it is sent again, where its provider gives it an id.
    pub(crate) key: EventKey,
    pub(crate) id: Option<String>,
    pub(crate) event_type: String,
    pub(crate) payload: Payload,
    /// How long the event is remembered at the least, once its last run is done.
    pub(crate) retention: Duration,
    pub(crate) runs: Vec<NewRun>,
}

/// Where an event's payload is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Payload {
    /// A range of the body.
    Range { start: usize, length: usize },
    /// Made from the body: JSON out of a form.
    Own(Bytes),
}

/// One listener that is to handle an event.
#[derive(Debug)]
pub(crate) struct NewRun {
    pub(crate) listener: Arc<str>,
    pub(crate) order_key: Option<order::OrderKey>,
}

/// What became of one event that was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    Stored,
    /// It was known already.
    Duplicate,
    /// It was known, and those of its runs that were dead are begun afresh: after a 200 it is almost always a human
    /// who sends an event again.
    Revived,
}

/// On what terms runs are asked for.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// The listeners that there are here, those to be served first in front.
    pub(crate) listeners: Vec<WantedListener>,
    /// How many runs altogether.
    pub(crate) limit: usize,
    pub(crate) lease: Duration,
    /// Nothing runs here, so that a suspect may be had.
    pub(crate) idle: bool,
}

impl Wanted {
    /// With more listeners, an engine first asks which have anything to do: to look into the runs of each of hundreds, nearly
    /// all of which have none, would take longer than all the rest of a claim. One in the library's own tests, so that their
    /// claims go both ways.
    pub(crate) const FEW: usize = if cfg!(test) { 1 } else { 8 };

    /// The same of these listeners alone.
    pub(crate) fn only(&self, listeners: &BTreeSet<String>) -> Self {
        let has_something = |it: &&WantedListener| listeners.contains(&*it.id);
        Self { listeners: self.listeners.iter().filter(has_something).cloned().collect(), ..*self }
    }
}

/// One listener that can take runs.
#[derive(Debug, Clone)]
pub(crate) struct WantedListener {
    pub(crate) id: Arc<str>,
    pub(crate) limit: usize,
    /// Its runs of one order key go on one after the other; and what becomes of those behind a dead one.
    pub(crate) order: Option<OnDead>,
    /// After so many attempts a run is given up. One that never ended counts like one that failed.
    pub(crate) max_attempts: u32,
}

impl WantedListener {
    /// Whether a dead run holds up those behind it.
    pub(crate) fn dead_blocks(&self) -> bool {
        self.order == Some(OnDead::Block)
    }
}

/// What was claimed.
#[derive(Debug, Default)]
pub(crate) struct Claimed {
    pub(crate) runs: Vec<ClaimedRun>,
    /// The one run is a suspect: nothing else may run beside it. Without a run: one waits for everything else to end.
    pub(crate) suspect: bool,
    /// Runs that have just become dead, since their attempts never ended.
    pub(crate) given_up: Vec<GivenUp>,
    /// When the next run falls due that is not yet.
    pub(crate) next_due: Option<Duration>,
}

/// A run that is the caller's for the length of the lease.
#[derive(Debug)]
pub(crate) struct ClaimedRun {
    pub(crate) fence: Fence,
    pub(crate) listener: String,
    /// Counted from 1, afresh after a replay.
    pub(crate) attempt: u32,
    pub(crate) is_replay: bool,
    pub(crate) event: StoredEvent,
}

/// Proves ownership of a run: the attempt that it was claimed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Fence {
    pub(crate) run: i64,
    pub(crate) attempt: u32,
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "run {}, attempt {}", self.run, self.attempt)
    }
}

impl Claims for Arc<dyn Inbox> {
    type Claim = Fence;

    async fn renew(&self, fence: &Fence, lease: Duration) -> Result<bool, String> {
        (**self).renew(*fence, lease).await.map_err(|error| error.to_string())
    }
}

/// An event as it comes back from storage.
#[derive(Debug, Clone)]
pub(crate) struct StoredEvent {
    pub(crate) source: SourceName,
    pub(crate) delivery_id: u128,
    pub(crate) received_at: SystemTime,
    pub(crate) verified: Verified,
    pub(crate) headers: Vec<u8>,
    pub(crate) body: Bytes,
    /// As it was put; none yet in what all events of a delivery have in common.
    pub(crate) key: Option<EventKey>,
    pub(crate) id: Option<String>,
    pub(crate) event_type: String,
    pub(crate) payload: Bytes,
}

/// A run that was given up at its claim.
#[derive(Debug)]
pub(crate) struct GivenUp {
    pub(crate) reason: DeadReason,
    pub(crate) source: String,
    pub(crate) event_id: Option<String>,
    pub(crate) listener: String,
    pub(crate) attempts: u32,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    Done,
    Retry {
        delay: Duration,
        error: String,
    },
    Dead {
        reason: DeadReason,
        error: String,
    },
    /// It was cancelled, for no fault of its own: the attempt does not count.
    Released,
}

/// The runs of one listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListenerCount {
    pub(crate) listener: String,
    pub(crate) pending: u64,
    pub(crate) dead: u64,
    /// When the oldest pending one arrived.
    pub(crate) oldest_pending: Option<SystemTime>,
}

/// Why an inbox could not answer.
#[derive(Debug, Clone)]
pub(crate) enum InboxError {
    /// It holds as many pending runs as it may, or the disk is full.
    Full,
    /// The delivery's token came with another body before. Nothing of the delivery was put down.
    TokenReused,
    /// Everything else, in words.
    Unavailable(Arc<str>),
}

impl InboxError {
    pub(crate) fn unavailable(error: impl fmt::Display) -> Self {
        Self::Unavailable(error.to_string().into())
    }
}

impl fmt::Display for InboxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the inbox is full"),
            Self::TokenReused => f.write_str("the token came with another body before"),
            Self::Unavailable(why) => write!(f, "the inbox cannot be used: {why}"),
        }
    }
}

impl std::error::Error for InboxError {}
