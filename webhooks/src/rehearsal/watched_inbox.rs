//! An inbox of which is seen what it begins afresh.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::Notify;

use super::witness::Witness;
use crate::delivery::DeliveryId;
use crate::inbox::record::{EventRecord, EventSummary, Replayed, Selection};
use crate::inbox::{Claimed, End, Fence, Inbox, InboxError, ListenerCount, Parcel, Put, Wanted};
use crate::key::EventKey;

/// Tells the witness of dead events that a delivery has begun afresh, and changes nothing.
pub(super) struct WatchedInbox {
    pub(super) inner: Arc<dyn Inbox>,
    pub(super) witness: Witness,
}

impl Inbox for WatchedInbox {
    fn put(&self, parcel: Parcel) -> BoxFuture<'_, Result<Vec<Put>, InboxError>> {
        let delivery = DeliveryId::from_bits(parcel.delivery_id);
        let keys: Vec<_> = parcel.events.iter().map(|it| it.key.clone()).collect();
        // Before it is done: a worker may be faster than whoever has put it down.
        let since = self.witness.begun();
        let put = self.inner.put(parcel);
        let told = put.inspect(move |puts| {
            let puts = puts.as_deref().unwrap_or_default();
            let revived = keys.into_iter().zip(puts).filter(|(_, put)| **put == Put::Revived);
            self.witness.revived(delivery, revived.map(|(key, _)| key), since);
        });
        told.boxed()
    }

    fn claim(&self, wanted: Wanted) -> BoxFuture<'_, Result<Claimed, InboxError>> {
        self.inner.claim(wanted)
    }

    fn renew(&self, fence: Fence, lease: Duration) -> BoxFuture<'_, Result<bool, InboxError>> {
        self.inner.renew(fence, lease)
    }

    fn settle(&self, fence: Fence, end: End) -> BoxFuture<'_, Result<bool, InboxError>> {
        self.inner.settle(fence, end)
    }

    fn watch(&self, wake: Arc<Notify>) -> BoxFuture<'_, ()> {
        self.inner.watch(wake)
    }

    fn counts(&self) -> BoxFuture<'_, Result<Vec<ListenerCount>, InboxError>> {
        self.inner.counts()
    }

    fn sweep(&self) -> BoxFuture<'_, Result<bool, InboxError>> {
        self.inner.sweep()
    }

    fn list(&self, selection: Selection) -> BoxFuture<'_, Result<Vec<EventSummary>, InboxError>> {
        self.inner.list(selection)
    }

    fn show(&self, event: i64) -> BoxFuture<'_, Result<Option<EventRecord>, InboxError>> {
        self.inner.show(event)
    }

    fn replay(&self, selection: Selection) -> BoxFuture<'_, Result<Replayed, InboxError>> {
        self.inner.replay(selection)
    }

    fn discard(&self, selection: Selection) -> BoxFuture<'_, Result<u64, InboxError>> {
        self.inner.discard(selection)
    }

    fn forget_event(&self, key: EventKey) -> BoxFuture<'_, Result<bool, InboxError>> {
        self.inner.forget_event(key)
    }
}
