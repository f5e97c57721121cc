//! What a run's result means. A pure function, the same for every driver.

use std::time::Duration;

use crate::error::Failure;
use crate::store::DeadReason;

/// What follows from one listener's run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Never again.
    Done,
    /// Again, not before the delay if there is one.
    Retry(Option<Duration>),
    /// Given up.
    Dead(DeadReason),
}

/// How many attempts there are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RetryPolicy {
    pub(crate) max_attempts: u32,
}

/// Judges the result of the `attempt`th attempt.
pub(crate) fn verdict(result: &Result<(), Failure>, attempt: u32, policy: RetryPolicy) -> Verdict {
    match result {
        Ok(()) => Verdict::Done,
        Err(failure) if failure.is_permanent() => Verdict::Dead(DeadReason::Permanent),
        Err(_) if attempt >= policy.max_attempts => Verdict::Dead(DeadReason::AttemptsExhausted),
        Err(failure) => Verdict::Retry(failure.delay()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy { max_attempts: 3 };

    #[test]
    fn success_is_done_whatever_the_attempt() {
        assert_eq!(verdict(&Ok(()), 99, POLICY), Verdict::Done);
    }

    #[test]
    fn a_failure_is_retried_until_the_last_attempt() {
        assert_eq!(verdict(&Err("no".into()), 2, POLICY), Verdict::Retry(None));
        assert_eq!(verdict(&Err("no".into()), 3, POLICY), Verdict::Dead(DeadReason::AttemptsExhausted));
    }

    #[test]
    fn the_listener_knows_best() {
        let delay = Duration::from_secs(7);
        assert_eq!(verdict(&Err(Failure::retry_after(delay, "no")), 1, POLICY), Verdict::Retry(Some(delay)));
        assert_eq!(verdict(&Err(Failure::permanent("no")), 1, POLICY), Verdict::Dead(DeadReason::Permanent));
    }
}
