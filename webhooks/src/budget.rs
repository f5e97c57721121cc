//! The memory that bodies of unknown origin may take, all together.
//!
//! Bytes are counted as they arrive, never as declared: a promise takes no memory. When the budget is used up, the
//! body that has held most bytes for longest makes room. A genuine sender is through in a moment, so what is pushed
//! out is a slow sender of a large body, which is what an attacker must be to hold memory at all.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use tokio::sync::Notify;

use crate::metrics::{self, Gauge};

/// The budget, shared by all bodies.
#[derive(Debug, Clone)]
pub(crate) struct BodyBudget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limit: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    used: Used,
    next: u64,
    readers: HashMap<u64, Reader>,
}

#[derive(Debug)]
struct Reader {
    bytes: u64,
    since: Instant,
    /// All of it has arrived: it is about to be verified, and stays.
    complete: bool,
    evicted: bool,
    told: Arc<Notify>,
}

/// One body's share; dropped, it is free again.
#[derive(Debug)]
pub(crate) struct Buffered {
    budget: BodyBudget,
    reader: u64,
    told: Arc<Notify>,
}

/// The body had to make room for others, or there is no room for it.
#[derive(Debug)]
pub(crate) struct NoRoom;

impl BodyBudget {
    pub(crate) fn new(limit: u64) -> Self {
        let used = Used { bytes: 0, gauge: metrics::BUFFERED.gauged([]) };
        Self(Arc::new(Shared { limit, state: Mutex::new(State { used, next: 0, readers: HashMap::new() }) }))
    }

    /// A share for a body that is about to arrive; nothing yet.
    pub(crate) fn share(&self) -> Buffered {
        let told = Arc::new(Notify::new());
        let mut state = self.lock();
        let reader = state.next;
        state.next += 1;
        let entry = Reader {
            bytes: 0,
            since: Instant::now(),
            complete: false,
            evicted: false,
            told: Arc::clone(&told),
        };
        state.readers.insert(reader, entry);
        Buffered { budget: self.clone(), reader, told }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Buffered {
    /// Adds bytes that have arrived, pushing out others if need be.
    pub(crate) fn add(&self, bytes: usize) -> Result<(), NoRoom> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let limit = self.budget.0.limit;
        let mut state = self.budget.lock();
        match state.readers.get_mut(&self.reader) {
            Some(reader) if !reader.evicted => reader.bytes = reader.bytes.saturating_add(bytes),
            _ => return Err(NoRoom),
        }
        state.used.add(bytes);
        while state.used.bytes > limit {
            state.evict().ok_or(NoRoom)?;
        }
        match state.readers.get(&self.reader) {
            Some(reader) if !reader.evicted => Ok(()),
            _ => Err(NoRoom),
        }
    }

    /// Says that all has arrived.
    pub(crate) fn complete(&self) {
        if let Some(reader) = self.budget.lock().readers.get_mut(&self.reader) {
            reader.complete = true;
        }
    }

    /// Returns when the body must make room.
    pub(crate) async fn evicted(&self) {
        self.told.notified().await;
    }
}

impl Drop for Buffered {
    fn drop(&mut self) {
        let mut state = self.budget.lock();
        if let Some(reader) = state.readers.remove(&self.reader) {
            state.used.subtract(reader.bytes);
        }
    }
}

impl State {
    /// Pushes out the body that has held most for longest.
    fn evict(&mut self) -> Option<()> {
        let now = Instant::now();
        let weight = |reader: &Reader| {
            u128::from(reader.bytes) * (now.saturating_duration_since(reader.since).as_micros() + 1)
        };
        let candidates = self.readers.values_mut().filter(|it| !it.complete && !it.evicted && it.bytes > 0);
        let victim = candidates.max_by_key(|it| weight(it))?;
        victim.evicted = true;
        victim.told.notify_one();
        // Freed in the count now, and in memory as soon as its task hears of it.
        self.used.subtract(std::mem::take(&mut victim.bytes));
        Some(())
    }
}

/// All readers' bytes together, here and in the metrics. Changes are told, not sums: there may be several budgets.
struct Used {
    bytes: u64,
    gauge: Gauge,
}

impl Used {
    fn add(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
        self.gauge.add(bytes as f64);
    }

    fn subtract(&mut self, bytes: u64) {
        self.bytes -= bytes;
        self.gauge.subtract(bytes as f64);
    }
}

impl fmt::Debug for Used {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.bytes, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_and_slowest_makes_room() {
        let budget = BodyBudget::new(100);
        let (slow, quick) = (budget.share(), budget.share());
        slow.add(90).unwrap();
        quick.add(20).unwrap();
        assert!(slow.add(1).is_err());
        assert_eq!(budget.lock().used.bytes, 20);
        drop((slow, quick));
        assert_eq!(budget.lock().used.bytes, 0);
    }

    #[test]
    fn what_is_complete_stays_until_verified() {
        let budget = BodyBudget::new(100);
        let (first, second) = (budget.share(), budget.share());
        first.add(90).unwrap();
        first.complete();
        assert!(second.add(20).is_err());
        drop(first);
        assert!(budget.share().add(100).is_ok());
    }
}
