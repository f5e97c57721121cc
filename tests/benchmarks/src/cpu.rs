//! The time that this thread itself has worked: what others do to the machine does not count.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use crate::AnyError;

#[derive(Clone, Copy)]
pub(crate) struct Worked(Duration);

impl Worked {
    pub(crate) fn so_far() -> Result<Self, AnyError> {
        Ok(Self(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into()))
    }

    pub(crate) fn since(self) -> Result<Duration, AnyError> {
        Ok(Self::so_far()?.0 - self.0)
    }
}
