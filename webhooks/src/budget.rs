//! The memory that bodies of unknown origin may take, all together.
//!
//! Bytes are counted as they arrive, never as declared: a promise takes no memory. When the budget is used up, the body
//! that comes in most slowly makes room. A genuine sender hands over even a large body without a pause; a forger who is
//! to keep memory taken has to dawdle, or to send at a genuine sender's pace, body after body. A small body that just
//! waits for its next packet is not slow: see [`HEAD_START`].

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::metrics::{self, Gauge};

/// Bytes that every body is credited with when its pace is judged, so that a few that come a moment late weigh little.
/// A quarter of the largest body that is usual.
const HEAD_START: u64 = 256 << 10;

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
    /// When its first byte came.
    since: Option<Instant>,
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
        let entry =
            Reader { bytes: 0, since: None, complete: false, evicted: false, told: Arc::clone(&told) };
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
            Some(reader) if !reader.evicted => {
                reader.bytes = reader.bytes.saturating_add(bytes);
                reader.since.get_or_insert_with(Instant::now);
            }
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

impl Reader {
    /// How slowly it comes in. Counted from its first byte, for it may have been let in long before that.
    fn picoseconds_a_byte(&self, now: Instant) -> u128 {
        let since = self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        since.as_nanos().saturating_mul(1_000) / u128::from(self.bytes.saturating_add(HEAD_START))
    }
}

impl State {
    /// Pushes out the body that comes in most slowly.
    fn evict(&mut self) -> Option<()> {
        let now = Instant::now();
        let candidates = self.readers.values_mut().filter(|it| !it.complete && !it.evicted && it.bytes > 0);
        let victim = candidates.max_by_key(|it| it.picoseconds_a_byte(now))?;
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

    const KIB: usize = 1 << 10;

    /// A body of so many bytes, whose first came so long ago.
    fn arrived(budget: &BodyBudget, bytes: usize, ago: Duration) -> Buffered {
        let body = budget.share();
        body.add(bytes).unwrap();
        budget.lock().readers.get_mut(&body.reader).unwrap().since = Instant::now().checked_sub(ago);
        body
    }

    fn is_evicted(body: &Buffered) -> bool {
        body.budget.lock().readers[&body.reader].evicted
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_slowest_makes_room() {
        let budget = BodyBudget::new(100);
        let (slow, quick) = (arrived(&budget, 45, seconds(9)), arrived(&budget, 55, seconds(1)));
        quick.add(20).unwrap();
        assert!(is_evicted(&slow) && slow.add(1).is_err());
        assert_eq!(budget.lock().used.bytes, 75);
        drop((slow, quick));
        assert_eq!(budget.lock().used.bytes, 0);
    }

    #[test]
    fn many_that_stall_do_not_outlive_a_large_one_that_does_not() {
        // Whatever they hold each, and though in the end the large one holds nearly all.
        for each in [8, 64, 240] {
            let budget = BodyBudget::new(24_000 * KIB as u64);
            let stalled: Vec<_> =
                (0..24_000 / each).map(|_| arrived(&budget, each * KIB, seconds(8))).collect();
            let large = arrived(&budget, 480 * KIB, seconds(1));
            for _ in 0..46 {
                large.add(480 * KIB).unwrap();
            }
            let left = stalled.iter().filter(|it| !is_evicted(it)).count();
            assert_eq!(left, (24_000 - 47 * 480) / each, "no more had to make room than it took");
        }
    }

    #[test]
    fn a_small_one_that_waits_for_its_next_packet_is_left_alone() {
        let budget = BodyBudget::new(2_000 * KIB as u64);
        let small = arrived(&budget, 1, seconds(1));
        let stalled: Vec<_> = (0..7).map(|_| arrived(&budget, 256 * KIB, seconds(8))).collect();
        budget.share().add(1_000 * KIB).unwrap();
        assert!(!is_evicted(&small) && stalled.iter().any(is_evicted));
        small.add(1).unwrap();
    }

    #[test]
    fn the_only_one_makes_room_for_itself() {
        let budget = BodyBudget::new(100);
        let body = budget.share();
        body.add(90).unwrap();
        assert!(body.add(20).is_err());
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
