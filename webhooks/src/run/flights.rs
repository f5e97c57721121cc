//! Duplicates in this process wait for the first, rather than ask the store for what it cannot give.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::watch;

use crate::outcome::Outcome;
use crate::store::EventKey;
use crate::store::uniform::UniformMap;

/// The events that this process is handling right now.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flights(Arc<Mutex<UniformMap<u128, Flight>>>);

/// `None` until somebody waits.
type Flight = Option<watch::Sender<Option<Outcome>>>;

/// What an event finds when it arrives.
#[derive(Debug)]
pub(crate) enum Boarding {
    /// Nobody handles it: do, and say how it ended.
    First(Pilot),
    /// Somebody does: wait for them.
    Wait(Waiter),
    /// Somebody does, and enough wait already.
    Crowded,
}

impl Flights {
    /// More would only hold connections open: the provider sends again anyway.
    const MAX_WAITERS: usize = 8;

    pub(crate) fn board(&self, key: &EventKey) -> Boarding {
        let mut flights = self.lock();
        match flights.get_mut(&key.short()) {
            None => {
                flights.insert(key.short(), None);
                Boarding::First(Pilot { flights: self.clone(), key: key.short(), landed: false })
            }
            Some(flight) => {
                let sender = flight.get_or_insert_with(|| watch::Sender::new(None));
                if sender.receiver_count() >= Self::MAX_WAITERS {
                    return Boarding::Crowded;
                }
                Boarding::Wait(Waiter(sender.subscribe()))
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, UniformMap<u128, Flight>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Held by whoever handles the event. Dropped without [`land`](Self::land), it tells those waiting that there is no
/// outcome.
#[derive(Debug)]
pub(crate) struct Pilot {
    flights: Flights,
    key: u128,
    /// Then the key may be another's already, and is left alone.
    landed: bool,
}

impl Pilot {
    /// Tells those waiting how it ended.
    pub(crate) fn land(mut self, outcome: &Outcome) {
        self.landed = true;
        let flight = self.flights.lock().remove(&self.key).flatten();
        if let Some(sender) = flight {
            sender.send_replace(Some(outcome.clone()));
        }
    }
}

impl Drop for Pilot {
    fn drop(&mut self) {
        if !self.landed {
            self.flights.lock().remove(&self.key);
        }
    }
}

/// A duplicate that waits.
#[derive(Debug)]
pub(crate) struct Waiter(watch::Receiver<Option<Outcome>>);

impl Waiter {
    /// How the first ended, if it does so in time.
    pub(crate) async fn outcome(mut self, at_most: Duration) -> Option<Outcome> {
        let landed = tokio::time::timeout(at_most, self.0.wait_for(Option::is_some)).await;
        landed.ok()?.ok()?.clone()
    }
}
