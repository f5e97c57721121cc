//! Keys that are not completed: live, released or dead, in full. There are few: nearly all of a store is completed.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::clock::Moment;
use crate::store::uniform::UniformMap;
use crate::store::{ClaimTerms, ListenerFate, Token};

/// The records of keys that are not completed.
#[derive(Debug, Default)]
pub(super) struct ActiveKeys {
    records: UniformMap<u128, Active>,
    /// The keys of `records`, the first to expire in front.
    expiries: BTreeSet<(Moment, u128)>,
}

/// The record of a key that is not completed.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) standing: Standing,
    pub(super) attempt: u32,
    /// Attempts in a row that were claimed and not settled, the present one included.
    pub(super) unsettled: u32,
    pub(super) settled: Vec<ListenerFate>,
    /// How long the record is kept after its last sign of life. Never shorter than its lease.
    kept: Duration,
    expires: Moment,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Live { token: Token, until: Moment },
    Released,
    Dead,
}

impl Active {
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

    /// Whether `token` still holds it: until somebody else is granted it, even past the lease.
    pub(super) fn is_owned_by(&self, owner: Token) -> bool {
        matches!(self.standing, Standing::Live { token, .. } if token == owner)
    }

    pub(super) fn is_live(&self, now: Moment) -> bool {
        matches!(self.standing, Standing::Live { until, .. } if until > now)
    }
}

impl ActiveKeys {
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    pub(super) fn get(&self, key: u128) -> Option<&Active> {
        self.records.get(&key)
    }

    pub(super) fn get_mut(&mut self, key: u128) -> Option<&mut Active> {
        self.records.get_mut(&key)
    }

    /// Adds the record of a key that was absent, claimed for the first time.
    pub(super) fn insert(&mut self, key: u128, token: Token, terms: &ClaimTerms, now: Moment) {
        let standing = Standing::Live { token, until: now.saturating_add(terms.lease) };
        let kept = terms.retention.max(terms.lease);
        let expires = now.saturating_add(kept);
        let active = Active { standing, attempt: 1, unsettled: 1, settled: Vec::new(), kept, expires };
        self.records.insert(key, active);
        self.expiries.insert((expires, key));
    }

    /// Keeps a record for that long from now on.
    pub(super) fn keep(&mut self, key: u128, kept: Duration, now: Moment) {
        let Some(active) = self.records.get_mut(&key) else { return };
        self.expiries.remove(&(active.expires, key));
        active.kept = kept;
        active.expires = now.saturating_add(kept);
        self.expiries.insert((active.expires, key));
    }

    /// Extends the lease of a live record, and with it how long the record is kept.
    pub(super) fn renew(&mut self, key: u128, lease: Duration, now: Moment) {
        let Some(active) = self.records.get_mut(&key) else { return };
        if let Standing::Live { until, .. } = &mut active.standing {
            *until = now.saturating_add(lease);
        }
        let kept = active.kept.max(lease);
        self.keep(key, kept, now);
    }

    pub(super) fn remove(&mut self, key: u128) -> bool {
        let Some(active) = self.records.remove(&key) else { return false };
        self.expiries.remove(&(active.expires, key));
        true
    }

    pub(super) fn expire(&mut self, now: Moment, at_most: usize) {
        for _ in 0..at_most {
            match self.expiries.first() {
                Some((at, key)) if *at <= now => {
                    let key = *key;
                    self.remove(key);
                }
                _ => break,
            }
        }
    }
}
