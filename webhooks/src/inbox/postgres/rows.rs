//! Deliveries as columns, so that one statement puts any number of them down.

use super::text::storable;
use super::time;
use crate::inbox::{NewEntry, NewRun, Parcel, Payload};

/// How many locks the order keys share.
const LOCKS: u64 = 1 << 10;

/// The first of them: "whor", and room for their numbers.
const LOCK: i64 = 0x7768_6f72_0000_0000;

/// The rows of some deliveries, and of their events and runs.
pub(super) struct Rows<'p> {
    pub(super) deliveries: DeliveryRows<'p>,
    pub(super) events: EventRows<'p>,
    pub(super) runs: RunRows,
    /// Those of the order keys, sorted: everyone takes these locks in the same order.
    pub(super) locks: Vec<i64>,
}

#[derive(Default)]
pub(super) struct DeliveryRows<'p> {
    pub(super) sources: Vec<&'p str>,
    pub(super) ids: Vec<Vec<u8>>,
    pub(super) received_at: Vec<i64>,
    pub(super) signed: Vec<bool>,
    pub(super) secrets: Vec<Option<i32>>,
    pub(super) signed_at: Vec<Option<i64>>,
    pub(super) headers: Vec<&'p [u8]>,
    pub(super) bodies: Vec<&'p [u8]>,
}

#[derive(Default)]
pub(super) struct EventRows<'p> {
    /// Of which delivery, from 1, and where in it, from 1.
    pub(super) deliveries: Vec<i32>,
    pub(super) positions: Vec<i32>,
    pub(super) keys: Vec<String>,
    pub(super) ids: Vec<Option<String>>,
    pub(super) types: Vec<String>,
    pub(super) starts: Vec<Option<i64>>,
    pub(super) lengths: Vec<Option<i64>>,
    pub(super) payloads: Vec<Option<&'p [u8]>>,
    pub(super) retentions: Vec<i64>,
    /// How many runs each has.
    pub(super) runs: Vec<i32>,
}

#[derive(Default)]
pub(super) struct RunRows {
    /// Of which event, from 1.
    pub(super) events: Vec<i32>,
    pub(super) listeners: Vec<String>,
    pub(super) order_keys: Vec<Option<Vec<u8>>>,
}

impl<'p> Rows<'p> {
    pub(super) fn of(parcels: &'p [Parcel]) -> Self {
        let mut rows = Self {
            deliveries: DeliveryRows::default(),
            events: EventRows::default(),
            runs: RunRows::default(),
            locks: Vec::new(),
        };
        for (delivery, parcel) in (1..).zip(parcels) {
            rows.deliveries.add(parcel);
            for (position, entry) in (1..).zip(&parcel.events) {
                rows.events.add(delivery, position, entry);
                let event = int(rows.events.keys.len());
                for run in &entry.runs {
                    rows.locks.extend(lock(run));
                    rows.runs.add(event, run);
                }
            }
        }
        rows.locks.sort_unstable();
        rows.locks.dedup();
        rows
    }
}

impl<'p> DeliveryRows<'p> {
    fn add(&mut self, parcel: &'p Parcel) {
        let verified = &parcel.verified;
        self.sources.push(parcel.source.as_str());
        self.ids.push(parcel.delivery_id.to_be_bytes().into());
        self.received_at.push(time::millis(parcel.received_at));
        self.signed.push(verified.is_signed());
        self.secrets.push(verified.secret_index().and_then(|index| i32::try_from(index).ok()));
        self.signed_at.push(verified.signed_at().map(time::millis));
        self.headers.push(&parcel.headers);
        self.bodies.push(&parcel.body);
    }
}

impl<'p> EventRows<'p> {
    fn add(&mut self, delivery: i32, position: i32, entry: &'p NewEntry) {
        let (start, length, payload) = match &entry.payload {
            Payload::Range { start, length } => {
                (i64::try_from(*start).ok(), i64::try_from(*length).ok(), None)
            }
            Payload::Own(payload) => (None, None, Some(&payload[..])),
        };
        self.deliveries.push(delivery);
        self.positions.push(position);
        self.keys.push(entry.key.to_text());
        self.ids.push(entry.id.as_deref().map(storable));
        self.types.push(storable(&entry.event_type));
        self.starts.push(start);
        self.lengths.push(length);
        self.payloads.push(payload);
        self.retentions.push(time::span(entry.retention));
        self.runs.push(int(entry.runs.len()));
    }
}

impl RunRows {
    fn add(&mut self, event: i32, run: &NewRun) {
        self.events.push(event);
        self.listeners.push(storable(&run.listener));
        self.order_keys.push(run.order_key.map(|key| key.to_vec()));
    }
}

/// The lock of a run's order key. All keys share a few locks, and those that share one wait for each other's commit: the
/// server has room for some thousands, for everybody together.
fn lock(run: &NewRun) -> Option<i64> {
    let mut of = run.listener.as_bytes().to_vec();
    of.extend(run.order_key?);
    let number = xxhash_rust::xxh3::xxh3_64(&of) % LOCKS;
    Some(LOCK | i64::from_ne_bytes(number.to_ne_bytes()))
}

fn int(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use support::postgres_server::Options;

    use super::super::tests::{Fleet, parcel_of_lines};
    use crate::inbox::Inbox as _;

    /// A batch may have more order keys than the server has room for locks.
    #[tokio::test(flavor = "multi_thread")]
    async fn no_batch_exhausts_the_locks() {
        let small =
            Options::default().option("max_locks_per_transaction", "32").option("max_connections", "20");
        let fleet = Fleet::on(Arc::new(small.start()));
        let inbox = fleet.process().await;
        inbox.put(parcel_of_lines("batch", 5_000)).await.unwrap();
        assert_eq!(fleet.query("SELECT count(*) FROM webhooks.runs WHERE order_key IS NOT NULL"), "5000");
    }
}
