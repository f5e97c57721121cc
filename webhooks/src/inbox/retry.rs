//! When a failed run is tried again.

use std::time::Duration;

use crate::listener::options::Retry;

/// How often, and how soon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Backoff {
    pub(crate) max_attempts: u32,
    /// The longest pause after the first failure.
    pub(crate) base: Duration,
    /// The longest pause there is.
    pub(crate) max: Duration,
}

impl Backoff {
    /// From one attempt to the next.
    const FACTOR: u32 = 3;

    /// With what a listener says otherwise.
    pub(crate) fn with(self, retry: &Retry) -> Self {
        Self {
            max_attempts: retry.max_attempts.unwrap_or(self.max_attempts),
            base: retry.base.unwrap_or(self.base),
            max: retry.max.unwrap_or(self.max),
        }
    }

    /// The pause after the `attempt`th attempt; `random` is between 0 and 1.
    ///
    /// Anything from nothing to the whole pause ("full jitter"): runs that failed together, since something that they
    /// all need was down, do not come back together.
    /// <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>
    pub(crate) fn pause(&self, attempt: u32, random: f64) -> Duration {
        self.longest_pause(attempt).mul_f64(random.clamp(0.0, 1.0))
    }

    fn longest_pause(&self, attempt: u32) -> Duration {
        let factor = Self::FACTOR.checked_pow(attempt.saturating_sub(1));
        factor.and_then(|factor| self.base.checked_mul(factor)).map_or(self.max, |pause| pause.min(self.max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff =
        Backoff { max_attempts: 12, base: Duration::from_secs(5), max: Duration::from_secs(12 * 3_600) };

    #[test]
    fn each_pause_is_up_to_three_times_the_one_before() {
        let longest: Vec<u64> = (1..=5).map(|attempt| BACKOFF.pause(attempt, 1.0).as_secs()).collect();
        assert_eq!(longest, [5, 15, 45, 135, 405]);
        assert_eq!(BACKOFF.pause(3, 0.0), Duration::ZERO);
        assert_eq!(BACKOFF.pause(3, 0.5), Duration::from_millis(22_500));
    }

    #[test]
    fn no_pause_is_longer_than_the_longest() {
        for attempt in [10, 11, 12, 1_000, u32::MAX] {
            assert_eq!(BACKOFF.pause(attempt, 1.0), BACKOFF.max, "{attempt}");
        }
        let huge = Backoff { base: Duration::MAX, ..BACKOFF };
        assert_eq!(huge.pause(2, 1.0), BACKOFF.max);
        assert_eq!(BACKOFF.pause(0, 1.0), BACKOFF.base);
    }
}
