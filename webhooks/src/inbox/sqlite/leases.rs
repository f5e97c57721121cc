//! Who runs what, and until when.
//!
//! Only this process runs anything out of the file, so that leases need not be in it: renewing one costs no commit and
//! waits for no disk. They are measured by the monotonic clock, which no correction of the machine's time moves.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clock::Moment;
use crate::inbox::Fence;

/// The leases of this process. What the file says decides: a lease of an attempt that it does not know means nothing.
#[derive(Debug, Default)]
pub(super) struct Leases(Mutex<HashMap<i64, Lease>>);

/// Who had a run before somebody took it.
#[derive(Debug)]
pub(super) struct Before {
    run: i64,
    lease: Option<Lease>,
}

#[derive(Debug)]
struct Lease {
    attempt: u32,
    until: Moment,
}

impl Leases {
    /// Gives the run to this attempt, and from now on to no other. Returns what [`restore`](Self::restore) undoes it with.
    pub(super) fn hold(&self, fence: Fence, until: Moment) -> Before {
        let lease = self.lock().insert(fence.run, Lease { attempt: fence.attempt, until });
        Before { run: fence.run, lease }
    }

    /// Has it as it was before.
    pub(super) fn restore(&self, Before { run, lease }: Before) {
        let mut leases = self.lock();
        match lease {
            Some(lease) => leases.insert(run, lease),
            None => leases.remove(&run),
        };
    }

    /// Moves the lease on. `false`: there is none.
    pub(super) fn renew(&self, fence: Fence, until: Moment) -> bool {
        let mut leases = self.lock();
        let lease = leases.get_mut(&fence.run).filter(|it| it.attempt == fence.attempt);
        lease.map(|lease| lease.until = until).is_some()
    }

    /// Forgets the lease of this attempt.
    pub(super) fn end(&self, fence: Fence) {
        let mut leases = self.lock();
        if leases.get(&fence.run).is_some_and(|it| it.attempt == fence.attempt) {
            leases.remove(&fence.run);
        }
    }

    /// Forgets whatever lease the run has.
    pub(super) fn forget(&self, run: i64) {
        self.lock().remove(&run);
    }

    /// Attempts whose lease has run out.
    pub(super) fn lapsed(&self, now: Moment) -> Vec<Fence> {
        let leases = self.lock();
        let lapsed = leases.iter().filter(|(_, lease)| lease.until <= now);
        lapsed.map(|(run, lease)| Fence { run: *run, attempt: lease.attempt }).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i64, Lease>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
