//! The two clocks: the wall's, which timestamps are judged by, and the monotonic one, which leases are measured by.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime};

/// The clocks that everything reads. [`Clock::default`] is the machine's; tests can advance their own.
#[derive(Debug, Clone, Default)]
pub struct Clock(Option<Arc<Offsets>>);

#[derive(Debug, Default)]
struct Offsets {
    wall_millis: AtomicI64,
    monotonic_millis: AtomicI64,
}

/// A point on the monotonic clock: the time since this process first looked at it.
pub(crate) type Moment = Duration;

impl Clock {
    /// A clock that runs as the machine's does, and that a test can advance. Clones are the same clock.
    #[cfg(any(test, feature = "test-util"))]
    pub fn turnable() -> Self {
        Self(Some(Arc::default()))
    }

    /// Whether it can be turned.
    #[cfg(feature = "test-util")]
    pub(crate) fn is_turnable(&self) -> bool {
        self.0.is_some()
    }

    /// Moves both clocks forward, as if the time had passed.
    #[cfg(any(test, feature = "test-util"))]
    pub fn advance(&self, by: Duration) {
        let Some(offsets) = &self.0 else { return };
        let millis = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        offsets.wall_millis.fetch_add(millis, Ordering::Relaxed);
        offsets.monotonic_millis.fetch_add(millis, Ordering::Relaxed);
    }

    /// Sets the wall clock `seconds` ahead (or behind, if negative), as a correction of the machine's time does.
    /// The monotonic clock does not notice.
    #[cfg(any(test, feature = "test-util"))]
    pub fn jump_wall(&self, seconds: i64) {
        let Some(offsets) = &self.0 else { return };
        offsets.wall_millis.fetch_add(seconds.saturating_mul(1_000), Ordering::Relaxed);
    }

    /// The time of day.
    pub fn wall(&self) -> SystemTime {
        let now = SystemTime::now();
        let Some(offsets) = &self.0 else { return now };
        let millis = offsets.wall_millis.load(Ordering::Relaxed);
        let by = Duration::from_millis(millis.unsigned_abs());
        if millis < 0 { now.checked_sub(by) } else { now.checked_add(by) }.unwrap_or(now)
    }

    /// The monotonic clock, which no correction of the machine's time moves.
    pub(crate) fn monotonic(&self) -> Moment {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        // A minute's head start, so that moments shortly before the first look can be expressed.
        let now = START.elapsed() + Duration::from_secs(60);
        let Some(offsets) = &self.0 else { return now };
        now + Duration::from_millis(offsets.monotonic_millis.load(Ordering::Relaxed).unsigned_abs())
    }
}
