//! A way through for one line in a while.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Moment;

/// Lets one line through in a while, and says how many it held back.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    /// Milliseconds on the monotonic clock; 0: never.
    opened: AtomicU64,
    held_back: AtomicU64,
}

impl Gate {
    const PAUSE: Duration = Duration::from_secs(1);

    /// How many were held back since the last one, if this one may pass.
    pub(crate) fn pass(&self, now: Moment) -> Option<u64> {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        // 0 is kept for never.
        let now = millis(now).max(1);
        let opened = self.opened.load(Ordering::Relaxed);
        let due = opened == 0 || now.saturating_sub(opened) >= millis(Self::PAUSE);
        if due && self.opened.compare_exchange(opened, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            return Some(self.held_back.swap(0, Ordering::Relaxed));
        }
        self.held_back.fetch_add(1, Ordering::Relaxed);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_a_second_passes_and_tells_of_the_others() {
        let gate = Gate::default();
        let at = Duration::from_millis;
        assert_eq!(gate.pass(at(0)), Some(0), "the first one");
        assert_eq!((gate.pass(at(1)), gate.pass(at(999))), (None, None));
        assert_eq!(gate.pass(at(1_001)), Some(2));
        assert_eq!(gate.pass(at(2_000)), None);
        assert_eq!(gate.pass(at(9_000)), Some(1));
    }
}
