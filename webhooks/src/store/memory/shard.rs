//! The part of the store in which a key is, under its locks.

use std::sync::MutexGuard;
use std::time::Duration;

use super::active::ActiveKeys;
use super::completed::Completed;
use crate::clock::Moment;

/// The keys beside which a key is, completed or not.
#[derive(Debug)]
pub(super) struct Shard<'s> {
    pub(super) active: MutexGuard<'s, ActiveKeys>,
    pub(super) completed: MutexGuard<'s, Completed>,
}

impl Shard<'_> {
    /// More than one, so that dropping outpaces adding; few, so that no call pauses.
    pub(super) const EXPIRED_AT_ONCE: usize = 8;

    pub(super) fn len(&self) -> usize {
        self.active.len() + self.completed.len()
    }

    pub(super) fn complete(&mut self, key: u128, retention: Duration, until: Moment) {
        self.active.remove(key);
        self.completed.insert(key, retention, until);
    }

    /// Drops what has expired.
    pub(super) fn expire(&mut self, now: Moment) {
        self.active.expire(now, Self::EXPIRED_AT_ONCE);
        self.completed.expire(now, Self::EXPIRED_AT_ONCE);
    }
}
