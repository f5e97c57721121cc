//! The inbox as its operators see it.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::Notify;

use super::record::{EventRecord, EventSummary, Replayed, RunState, Selection};
use super::{Inbox, InboxError, upkeep};
use crate::store::{EventKey, StoreError};

/// Looks into the inbox and has runs begun afresh; cheap to clone and to keep.
/// [`Webhooks::inbox`](crate::Webhooks::inbox) returns it.
///
/// ```no_run
/// use webhooks::{DeadReason, RunState, Selection};
///
/// # async fn f(webhooks: webhooks::Webhooks) -> Result<(), Box<dyn std::error::Error>> {
/// let inbox = webhooks.inbox().ok_or("no inbox is configured")?;
/// for event in inbox.list(Selection::new().state(RunState::Dead)).await? {
///     println!("{} {} {:?}", event.number, event.event_type, event.event_id);
/// }
/// inbox.replay(Selection::new().source("stripe").reason(DeadReason::AttemptsExhausted)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct WebhookInbox {
    inbox: Arc<dyn Inbox>,
    /// Wakes the worker of this process, if it has one.
    wake: Arc<Notify>,
}

/// Why the inbox could not answer an operator.
#[derive(Debug)]
pub struct OperationError(InboxError);

/// What is pending and dead in the inbox, of one listener.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListenerBacklog {
    /// The listener's id.
    pub listener: String,
    /// Runs that are to be done.
    pub pending: u64,
    /// Runs that were given up.
    pub dead: u64,
    /// When the oldest pending event arrived.
    pub oldest_pending: Option<SystemTime>,
}

impl WebhookInbox {
    /// Lists events, the latest first; a hundred, unless the selection says how many.
    ///
    /// # Errors
    /// When the inbox cannot be read, as with the methods below.
    pub async fn list(&self, selection: Selection) -> Result<Vec<EventSummary>, OperationError> {
        Ok(self.inbox.list(selection).await?)
    }

    /// One event, with every attempt at it and every error. `None`: there is none of this number.
    ///
    /// # Errors
    /// When the inbox cannot be read.
    pub async fn show(&self, number: i64) -> Result<Option<EventRecord>, OperationError> {
        Ok(self.inbox.show(number).await?)
    }

    /// What happened to the events with this id of the provider's, and why, in words.
    ///
    /// # Errors
    /// When the inbox cannot be read.
    pub async fn explain(&self, event_id: &str) -> Result<String, OperationError> {
        let mut told = Vec::new();
        for event in self.list(Selection::new().event_id(event_id)).await? {
            told.extend(self.show(event.number).await?.map(|record| super::record::tell(&record)));
        }
        if told.is_empty() {
            return Ok(format!(
                "The inbox knows no event `{}`. Either it never arrived, or its signature was wrong, or nobody listens \
                 to its type (the log has a line for each of these), or it was handled so long ago that it is forgotten.",
                event_id.escape_debug()
            ));
        }
        Ok(told.join("\n"))
    }

    /// Begins the selected runs afresh: those that are dead, unless the selection says otherwise. Other listeners of the
    /// same event are not run again. [`WebhookEvent::is_replay`](crate::WebhookEvent::is_replay) tells a listener.
    ///
    /// # Errors
    /// When the inbox cannot be written.
    pub async fn replay(&self, selection: Selection) -> Result<Replayed, OperationError> {
        let state = selection.state.or(Some(RunState::Dead));
        let replayed = self.inbox.replay(Selection { state, ..selection }).await?;
        self.wake.notify_one();
        Ok(replayed)
    }

    /// Drops the selected runs for good: those that are dead, unless the selection says otherwise. Returned is how many.
    ///
    /// # Errors
    /// When the inbox cannot be written.
    pub async fn discard(&self, selection: Selection) -> Result<u64, OperationError> {
        let state = selection.state.or(Some(RunState::Dead));
        let discarded = self.inbox.discard(Selection { state, ..selection }).await?;
        self.wake.notify_one();
        Ok(discarded)
    }

    /// What is pending and dead, by listener. A listener that this build does not have is among them: its runs wait.
    ///
    /// # Errors
    /// When the inbox cannot be read.
    pub async fn backlog(&self) -> Result<Vec<ListenerBacklog>, OperationError> {
        let counts = self.inbox.counts().await?.into_iter();
        Ok(counts
            .map(|it| ListenerBacklog {
                listener: it.listener,
                pending: it.pending,
                dead: it.dead,
                oldest_pending: it.oldest_pending,
            })
            .collect())
    }

    /// Forgets at once what is older than it has to be kept. It happens by itself every minute.
    ///
    /// # Errors
    /// When the inbox cannot be written.
    pub async fn sweep(&self) -> Result<(), OperationError> {
        Ok(upkeep::sweep(&*self.inbox).await?)
    }

    /// Has one event handled anew when it is redelivered. `false`: it is not known, or not through yet.
    pub(crate) async fn forget_event(&self, key: EventKey) -> Result<bool, StoreError> {
        self.inbox.forget_event(key).await.map_err(|error| match error {
            InboxError::Full => StoreError::Full,
            other => StoreError::unavailable(other),
        })
    }

    /// Has the worker look for what is due, without waiting for its next turn: a test has turned the clock.
    #[cfg(feature = "test-util")]
    pub(crate) fn nudge(&self) {
        self.wake.notify_one();
    }

    pub(crate) fn new(inbox: Arc<dyn Inbox>, wake: Arc<Notify>) -> Self {
        Self { inbox, wake }
    }
}

impl fmt::Debug for WebhookInbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookInbox").finish_non_exhaustive()
    }
}

impl From<InboxError> for OperationError {
    fn from(error: InboxError) -> Self {
        Self(error)
    }
}

impl fmt::Display for OperationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl std::error::Error for OperationError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}
