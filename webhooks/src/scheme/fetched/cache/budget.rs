//! How much may be fetched.

use std::time::Duration;

use crate::clock::Moment;

/// The most that is fetched at once.
const BURST: u32 = 8;

/// How long it takes until one more may be. Whoever writes URLs of the right form into requests cannot have the vendor
/// pestered beyond that; and a few of those a minute do not keep a genuine one from being fetched.
pub(super) const REFILL: Duration = Duration::from_secs(2);

/// A number of fetches that grows with time, up to a limit.
#[derive(Debug)]
pub(super) struct Budget {
    left: u32,
    counted: Moment,
}

impl Budget {
    pub(super) fn full() -> Self {
        Self { left: BURST, counted: Moment::ZERO }
    }

    /// Whether one may be fetched now; it is then counted.
    pub(super) fn take(&mut self, now: Moment) -> bool {
        let passed = now.saturating_sub(self.counted).as_nanos() / REFILL.as_nanos();
        let passed = u32::try_from(passed).unwrap_or(u32::MAX);
        self.left = self.left.saturating_add(passed).min(BURST);
        self.counted = self.counted.saturating_add(REFILL.saturating_mul(passed));
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_refills_up_to_its_limit() {
        let mut budget = Budget::full();
        let start = Duration::from_secs(3_601);
        let at_once = |budget: &mut Budget, now| (0..100).filter(|_| budget.take(now)).count();
        assert_eq!(at_once(&mut budget, start), 8);
        assert_eq!(at_once(&mut budget, start + REFILL / 2), 1, "the second of `start` was half through");
        assert_eq!(at_once(&mut budget, start + REFILL * 4), 3);
        assert_eq!(at_once(&mut budget, start + REFILL * 1_000), 8);
    }
}
