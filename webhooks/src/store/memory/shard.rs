//! One part of the in-memory store, under one lock.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::completed::Completed;
use crate::clock::Moment;
use crate::store::{ListenerFate, Token};

/// Keys that are live, released or dead in full; completed ones as compactly as can be.
#[derive(Debug, Default)]
pub(super) struct Shard {
    pub(super) active: HashMap<u128, Active>,
    /// When records of `active` expire, roughly in order: looked at lazily, for a record may have been extended since.
    expiries: VecDeque<(Moment, u128)>,
    pub(super) completed: Completed,
}

/// The record of a key that is not completed.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) standing: Standing,
    pub(super) attempt: u32,
    /// Attempts in a row that were claimed and not settled, the present one included.
    pub(super) unsettled: u32,
    pub(super) settled: Vec<ListenerFate>,
    /// When the record is forgotten; not while it is live.
    expires: Moment,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Live { token: Token, until: Moment },
    Released,
    Dead,
}

impl Active {
    pub(super) fn first_claim(token: Token, until: Moment) -> Self {
        let standing = Standing::Live { token, until };
        Self { standing, attempt: 1, unsettled: 1, settled: Vec::new(), expires: Moment::ZERO }
    }

    pub(super) fn claim(&mut self, token: Token, until: Moment) {
        self.standing = Standing::Live { token, until };
        self.attempt = self.attempt.saturating_add(1);
        self.unsettled += 1;
    }

    pub(super) fn settle(&mut self, standing: Standing, settled: Vec<ListenerFate>) {
        self.standing = standing;
        self.unsettled = 0;
        self.settled = settled;
    }

    /// Extends the lease of a live record.
    pub(super) fn extend(&mut self, to: Moment) {
        if let Standing::Live { until, .. } = &mut self.standing {
            *until = to;
        }
    }

    /// Whether `token` still holds it: until somebody else is granted it, even past the lease.
    pub(super) fn is_owned_by(&self, owner: Token) -> bool {
        matches!(self.standing, Standing::Live { token, .. } if token == owner)
    }

    pub(super) fn is_live(&self, now: Moment) -> bool {
        matches!(self.standing, Standing::Live { until, .. } if until > now)
    }
}

impl Shard {
    pub(super) fn len(&self) -> usize {
        self.active.len() + self.completed.len()
    }

    pub(super) fn insert_active(&mut self, key: u128, active: Active, expires: Moment) {
        self.active.insert(key, Active { expires, ..active });
        self.expiries.push_back((expires, key));
    }

    /// Keeps a record that was just released or given up until then.
    pub(super) fn keep_active(&mut self, key: u128, expires: Moment) {
        if let Some(active) = self.active.get_mut(&key) {
            active.expires = expires;
        }
    }

    pub(super) fn complete(&mut self, key: u128, retention: Duration, until: Moment) {
        self.active.remove(&key);
        self.completed.insert(key, retention, until);
    }

    /// Drops what has expired. Bounded work: a few records a call, so that no call pauses.
    pub(super) fn expire(&mut self, now: Moment) {
        /// More than one, so that dropping outpaces adding.
        const AT_MOST: usize = 8;
        for _ in 0..AT_MOST {
            match self.expiries.front() {
                Some((at, _)) if *at <= now => {}
                _ => break,
            }
            let Some((_, key)) = self.expiries.pop_front() else { break };
            // Completed meanwhile, forgotten, or kept on: only a record that is there and due is dropped.
            let Some(active) = self.active.get(&key) else { continue };
            if active.is_live(now) || active.expires > now {
                let again = active.expires.max(now + Duration::from_secs(1));
                self.expiries.push_back((again, key));
            } else {
                self.active.remove(&key);
            }
        }
        self.completed.expire(now, AT_MOST);
    }
}
