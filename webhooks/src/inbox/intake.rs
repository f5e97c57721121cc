//! Stores verified deliveries: 2xx only once they are on disk.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{Notify, Semaphore};

use super::headers::{self, KeptHeaders};
use super::order::Ordered;
use super::{Inbox, InboxError, NewEntry, NewRun, Parcel, Payload, Put, StoredEvent};
use crate::delivery::{Delivery, DeliveryId, SourceName};
use crate::event::{NewEvent, WebhookEvent};
use crate::key::EventKey;
use crate::listener::bound::Listener;
use crate::metrics::{self, Gauge};
use crate::outcome::Outcome;
use crate::rejection::Rejection;
use crate::run::inline::Job;
use crate::scheme::TokenInBody;

/// Stores the deliveries of the sources that use the inbox.
pub(crate) struct Intake {
    inbox: Arc<dyn Inbox>,
    /// The sources that use the inbox.
    sources: HashMap<SourceName, StoredSource>,
    /// Bounds the bodies that wait for the disk.
    permits: Semaphore,
    in_flight: Gauge,
    /// Wakes the worker.
    wake: Arc<Notify>,
}

/// A source whose deliveries are stored.
#[derive(Debug)]
pub(crate) struct StoredSource {
    pub(crate) kept: KeptHeaders,
    pub(crate) token_in_body: Option<TokenInBody>,
    /// Whether a delivery may hold several events.
    pub(crate) is_batch: bool,
}

impl Intake {
    pub(crate) fn new(
        inbox: Arc<dyn Inbox>,
        sources: HashMap<SourceName, StoredSource>,
        max_in_flight: usize,
        wake: Arc<Notify>,
    ) -> Self {
        Self {
            inbox,
            sources,
            permits: Semaphore::new(max_in_flight.min(Semaphore::MAX_PERMITS)),
            in_flight: metrics::IN_FLIGHT.gauged([]),
            wake,
        }
    }

    /// Whether deliveries of this source are stored before they are handled.
    pub(crate) fn takes(&self, source: &SourceName) -> bool {
        self.sources.contains_key(source)
    }

    /// Stores the events of one delivery, all of them or none.
    pub(crate) async fn store(&self, jobs: Vec<Job>) -> Outcome {
        let Some(first) = jobs.first() else { return Outcome::Ignored };
        let Ok(_permit) = self.permits.try_acquire() else { return Outcome::Overloaded };
        let _stored = self.in_flight.hold();
        let (delivery, verified) = (Arc::clone(&first.event.delivery), first.event.verified);
        for job in jobs.iter().filter(|job| !job.event.is_deduplicated) {
            job.stats.without_id.increment();
        }
        let tokens = jobs.iter().filter_map(|job| job.binding.clone()).collect::<Vec<_>>();
        // What nobody listens to leaves no trace but its token.
        let events: Vec<_> = jobs.into_iter().filter(|job| !job.audience.is_empty()).collect();
        let ignored = events.is_empty();
        let Some(source) = self.sources.get(delivery.source()) else { return Outcome::UnknownSource };
        let parcel = Parcel {
            source: delivery.source().clone(),
            delivery_id: delivery.id().bits(),
            received_at: delivery.received_at(),
            verified,
            headers: source.kept.write(delivery.headers()),
            body: source.stored_body(delivery.body()),
            tokens,
            events: events.into_iter().map(|job| entry(&delivery, source.is_batch, job)).collect(),
        };
        match self.inbox.put(parcel).await {
            Ok(_) if ignored => Outcome::Ignored,
            Ok(puts) if puts.iter().all(|put| *put == Put::Duplicate) => Outcome::Duplicate,
            Ok(_) => {
                self.wake.notify_one();
                Outcome::Stored
            }
            Err(error) => refused(&error),
        }
    }
}

impl StoredSource {
    /// The body as it is stored: without a secret that it holds.
    fn stored_body(&self, body: &Bytes) -> Bytes {
        self.token_in_body.as_ref().map_or_else(|| body.clone(), |token| token.blanked(body))
    }
}

impl std::fmt::Debug for Intake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Intake").field("sources", &self.sources.len()).finish_non_exhaustive()
    }
}

impl StoredEvent {
    /// The event as its listener sees it; of the request, only what is kept.
    pub(crate) fn restore(self, attempt: u32, is_replay: bool) -> WebhookEvent {
        let delivery = Delivery::new(self.source, self.body)
            .with_id(DeliveryId::from_bits(self.delivery_id))
            .with_headers(headers::read(&self.headers))
            .with_received_at(self.received_at);
        let key = self.key.unwrap_or_else(|| EventKey::of_delivery(delivery.source(), delivery.id(), 0));
        let event = NewEvent {
            delivery: Arc::new(delivery),
            verified: self.verified,
            key,
            is_deduplicated: true,
            id: self.id,
            event_type: self.event_type,
            payload: self.payload,
        };
        event.claimed_from_inbox(attempt, is_replay)
    }
}

fn entry(delivery: &Delivery, is_batch: bool, job: Job) -> NewEntry {
    let event = job.event;
    let ordered = match is_batch {
        true => Ordered::by_payload(&event.payload),
        false => Ordered::by_body(delivery.body(), &event.payload),
    };
    let runs = job.audience.iter().map(|listener| NewRun {
        listener: Arc::clone(&listener.id),
        order_key: listener.declared.options.order_by.and_then(|order| {
            let key = ordered.key(order.pointer);
            if key.is_none() {
                tell_of_no_order(listener, order.pointer, delivery, &event);
            }
            key
        }),
    });
    NewEntry {
        runs: runs.collect(),
        key: event.key,
        payload: locate(delivery.body(), event.payload),
        id: event.id,
        event_type: event.event_type,
        retention: job.retention,
    }
}

/// A mistyped place would cost a listener the order without a word.
fn tell_of_no_order(listener: &Listener, order_by: &str, delivery: &Delivery, event: &NewEvent) {
    listener.declared.told_of_no_order.call_once(|| {
        tracing::warn!(
            source = delivery.source().as_str(),
            event_id = event.id,
            event_type = event.event_type,
            listener = &*listener.id,
            order_by,
            "an event has no text or number where its listener's order looks; such are handled in any order"
        );
    });
}

/// A payload is a slice of its body nearly always, and then need not be stored twice.
fn locate(body: &Bytes, payload: Bytes) -> Payload {
    let start = (payload.as_ptr() as usize).checked_sub(body.as_ptr() as usize);
    match start {
        Some(start) if body.get(start..start + payload.len()) == Some(&*payload) => {
            Payload::Range { start, length: payload.len() }
        }
        _ => Payload::Own(payload),
    }
}

fn refused(error: &InboxError) -> Outcome {
    if let InboxError::TokenReused = error {
        return Outcome::Rejected(Rejection::TokenReused);
    }
    tracing::error!(%error, "the delivery could not be stored, and is not acknowledged");
    match error {
        InboxError::Full => Outcome::StoreFull,
        _ => Outcome::StoreUnavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_of_the_body_is_not_stored_twice() {
        let body = Bytes::from_static(b"{\"data\":{\"a\":1}}");
        assert_eq!(locate(&body, body.slice(8..15)), Payload::Range { start: 8, length: 7 });
        assert_eq!(locate(&body, body.clone()), Payload::Range { start: 0, length: 16 });
        let own = Bytes::from(b"{\"a\":1}".to_vec());
        assert_eq!(locate(&body, own.clone()), Payload::Own(own));
    }
}
