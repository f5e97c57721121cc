//! Duplicates in this process wait for the first, rather than ask the store for what it cannot give.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::watch;

use crate::outcome::Outcome;
use crate::store::EventKey;
use crate::store::uniform::UniformMap;

/// The events that this process is handling right now.
#[derive(Debug, Clone, Default)]
pub(crate) struct SingleFlight(Arc<Mutex<UniformMap<u128, Flight>>>);

/// `None` until somebody waits.
type Flight = Option<watch::Sender<Option<Outcome>>>;

/// What an event finds when it arrives.
#[derive(Debug)]
pub(crate) enum Role {
    /// Nobody handles it: do, and say how it ended.
    Leader(Leader),
    /// Somebody does: wait for them.
    Follower(Follower),
    /// Somebody does, and enough wait already.
    TooMany,
}

impl SingleFlight {
    /// More would only hold connections open: the provider sends again anyway.
    const MAX_FOLLOWERS: usize = 8;

    pub(crate) fn join(&self, key: &EventKey) -> Role {
        let mut flights = self.lock();
        match flights.get_mut(&key.short()) {
            None => {
                flights.insert(key.short(), None);
                Role::Leader(Leader { flights: self.clone(), key: key.short(), finished: false })
            }
            Some(flight) => {
                let sender = flight.get_or_insert_with(|| watch::Sender::new(None));
                if sender.receiver_count() >= Self::MAX_FOLLOWERS {
                    return Role::TooMany;
                }
                Role::Follower(Follower(sender.subscribe()))
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, UniformMap<u128, Flight>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Held by whoever handles the event. Dropped without [`finish`](Self::finish), it tells those waiting that there is no
/// outcome.
#[derive(Debug)]
pub(crate) struct Leader {
    flights: SingleFlight,
    key: u128,
    /// Then the key may be another's already, and is left alone.
    finished: bool,
}

impl Leader {
    /// Tells those waiting how it ended.
    pub(crate) fn finish(mut self, outcome: &Outcome) {
        self.finished = true;
        let flight = self.flights.lock().remove(&self.key).flatten();
        if let Some(sender) = flight {
            sender.send_replace(Some(outcome.clone()));
        }
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        if !self.finished {
            self.flights.lock().remove(&self.key);
        }
    }
}

/// A duplicate that waits.
#[derive(Debug)]
pub(crate) struct Follower(watch::Receiver<Option<Outcome>>);

impl Follower {
    /// How the first ended, if it does so in time.
    pub(crate) async fn outcome(mut self, at_most: Duration) -> Option<Outcome> {
        let finished = tokio::time::timeout(at_most, self.0.wait_for(Option::is_some)).await;
        finished.ok()?.ok()?.clone()
    }
}
