//! The store of a single process: bounded, a few dozen bytes a key, forgotten at restart.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use super::{
    Claim, ClaimTerms, EventKey, Fate, Grant, ListenerFate, Settled, Settlement, StoreError, Token,
    WebhookEventStore,
};
use crate::clock::{Clock, Moment};
use active::{Active, ActiveKeys, Standing};
use completed::Completed;
use shard::Shard;

mod active;
mod completed;
mod shard;

/// Claims in this process's memory.
///
/// Holds at most `max_keys` unexpired keys and then refuses new ones ([`StoreError::Full`]): forgetting a completed
/// event early would mean handling it twice. A live claim is never evicted.
#[derive(Debug)]
pub struct InMemoryWebhookEventStore {
    /// Always locked before `completed`.
    active: Box<[Mutex<ActiveKeys>]>,
    completed: Box<[Mutex<Completed>]>,
    /// Unexpired keys, all shards. Expired ones are found when their shard is next used.
    keys: AtomicUsize,
    max_keys: usize,
    evict_oldest: bool,
    clock: Clock,
}

impl InMemoryWebhookEventStore {
    /// How many keys are held unless told otherwise.
    pub const DEFAULT_MAX_KEYS: usize = 1_000_000;

    /// Many, each small: what must be done at once (growing a table) is then never much.
    const COMPLETED: usize = 64;

    /// Few, so that they are in the processor's cache: each event needs one of them, and holds it for a moment.
    const ACTIVE: usize = 16;

    /// A store of up to a million keys.
    pub fn new() -> Self {
        Self {
            active: (0..Self::ACTIVE).map(|_| Mutex::default()).collect(),
            completed: (0..Self::COMPLETED).map(|_| Mutex::default()).collect(),
            keys: AtomicUsize::new(0),
            max_keys: Self::DEFAULT_MAX_KEYS,
            evict_oldest: false,
            clock: Clock::default(),
        }
    }

    /// Sets how many unexpired keys are held.
    #[must_use]
    pub fn with_max_keys(mut self, max_keys: usize) -> Self {
        self.max_keys = max_keys;
        self
    }

    /// When full, forgets the oldest completed event rather than refusing new ones. A redelivery of a forgotten event
    /// is handled again.
    #[must_use]
    pub fn evict_oldest_completed(mut self) -> Self {
        self.evict_oldest = true;
        self
    }

    /// Reads the time from `clock`.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// How many keys are held, those included that have expired unnoticed.
    pub fn len(&self) -> usize {
        self.keys.load(Ordering::Relaxed)
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Runs `act` on the key's shard, after what has expired there was dropped.
    fn with<T>(&self, key: &EventKey, act: impl FnOnce(&mut Shard<'_>, u128, Moment) -> T) -> T {
        let short = key.short();
        let now = self.clock.monotonic();
        // The lowest bits; the highest are the tables' hashes.
        let place = short as usize;
        let mut shard = Shard {
            active: lock(&self.active[place % Self::ACTIVE]),
            completed: lock(&self.completed[place % Self::COMPLETED]),
        };
        let before = shard.len();
        shard.expire(now);
        let result = act(&mut shard, short, now);
        let after = shard.len();
        drop(shard);
        if after >= before {
            self.keys.fetch_add(after - before, Ordering::Relaxed);
        } else {
            self.keys.fetch_sub(before - after, Ordering::Relaxed);
        }
        result
    }

    fn claim_now(&self, key: &EventKey, terms: &ClaimTerms) -> Result<Claim, StoreError> {
        self.with(key, |shard, short, now| {
            if let Some(active) = shard.active.get_mut(short) {
                let claim = reclaim(active, terms, now);
                if !matches!(claim, Claim::Busy { .. }) {
                    shard.active.keep(short, terms.retention.max(terms.lease), now);
                }
                return Ok(claim);
            }
            if shard.completed.contains(short) {
                return Ok(Claim::Completed);
            }
            if self.keys.load(Ordering::Relaxed) >= self.max_keys && !self.make_room(shard, now) {
                return Err(StoreError::Full);
            }
            let token = Token::random();
            shard.active.insert(short, token, terms, now);
            Ok(Claim::Granted(Grant { token, attempt: 1, settled: Vec::new() }))
        })
    }

    /// Whether a key may be added to a full store after all: what has expired elsewhere is dropped, or, if that was
    /// asked for, this shard's oldest completed event, or another's if it has none.
    fn make_room(&self, shard: &mut Shard<'_>, now: Moment) -> bool {
        let mut freed = 0;
        // The caller's own shard is locked, and already swept.
        for mut other in self.active.iter().filter_map(|it| it.try_lock().ok()) {
            let before = other.len();
            other.expire(now, Shard::EXPIRED_AT_ONCE);
            freed += before - other.len();
        }
        for mut other in self.completed.iter().filter_map(|it| it.try_lock().ok()) {
            let before = other.len();
            other.expire(now, Shard::EXPIRED_AT_ONCE);
            freed += before - other.len();
        }
        self.keys.fetch_sub(freed, Ordering::Relaxed);
        freed > 0
            || (self.evict_oldest && (shard.completed.evict_oldest() || self.evict_from_another_shard()))
    }

    fn evict_from_another_shard(&self) -> bool {
        let evict = |other: &Mutex<Completed>| other.try_lock().is_ok_and(|mut it| it.evict_oldest());
        let evicted = self.completed.iter().any(evict);
        self.keys.fetch_sub(usize::from(evicted), Ordering::Relaxed);
        evicted
    }

    /// Changes the shard if `token` holds the key live.
    fn owned(
        &self,
        key: &EventKey,
        token: Token,
        change: impl FnOnce(&mut Shard<'_>, u128, Moment),
    ) -> Result<bool, StoreError> {
        Ok(self.with(key, |shard, short, now| {
            let owned = shard.active.get(short).is_some_and(|it| it.is_owned_by(token));
            if owned {
                change(shard, short, now);
            }
            owned
        }))
    }
}

impl Default for InMemoryWebhookEventStore {
    fn default() -> Self {
        Self::new()
    }
}

impl WebhookEventStore for InMemoryWebhookEventStore {
    async fn claim(&self, key: &EventKey, terms: &ClaimTerms) -> Result<Claim, StoreError> {
        self.claim_now(key, terms)
    }

    async fn renew(&self, key: &EventKey, token: Token, lease: Duration) -> Result<bool, StoreError> {
        self.owned(key, token, |shard, short, now| shard.active.renew(short, lease, now))
    }

    async fn record(&self, key: &EventKey, token: Token, fate: &ListenerFate) -> Result<bool, StoreError> {
        self.owned(key, token, |shard, short, _| {
            if let Some(active) = shard.active.get_mut(short) {
                active.settled.push(fate.clone());
            }
        })
    }

    async fn settle(
        &self,
        key: &EventKey,
        token: Token,
        settlement: &Settlement,
    ) -> Result<bool, StoreError> {
        let standing = match settlement.state {
            Settled::Completed => None,
            Settled::Released => Some(Standing::Released),
            Settled::Dead => Some(Standing::Dead),
        };
        self.owned(key, token, |shard, short, now| match (standing, shard.active.get_mut(short)) {
            (Some(standing), Some(active)) => {
                active.settle(standing, settlement.settled.clone());
                shard.active.keep(short, settlement.retention, now);
            }
            _ => shard.complete(short, settlement.retention, now.saturating_add(settlement.retention)),
        })
    }

    async fn forget(&self, key: &EventKey) -> Result<bool, StoreError> {
        Ok(self.with(key, |shard, short, now| match shard.active.get(short) {
            Some(active) if active.is_live(now) => false,
            Some(_) => shard.active.remove(short),
            None => shard.completed.remove(short),
        }))
    }

    fn forgets_on_restart(&self) -> bool {
        true
    }
}

fn lock<T>(shard: &Mutex<T>) -> MutexGuard<'_, T> {
    // A poisoned one is still consistent: nothing between two of its changes can panic.
    shard.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// A claim on a key that has a record which is not completed.
fn reclaim(active: &mut Active, terms: &ClaimTerms, now: Moment) -> Claim {
    match active.standing {
        Standing::Live { until, .. } if until > now => return Claim::Busy { retry_after: until - now },
        // The lease ran out: that attempt never settled.
        Standing::Live { .. } if active.unsettled >= terms.max_unsettled => {
            active.standing = Standing::Dead;
            active.unsettled = 0;
            return Claim::CrashLoop { attempts: active.attempt };
        }
        Standing::Dead => active.settled.retain(|it| it.fate == Fate::Done),
        Standing::Live { .. } | Standing::Released => {}
    }
    let token = Token::random();
    active.claim(token, now.saturating_add(terms.lease));
    Claim::Granted(Grant { token, attempt: active.attempt, settled: active.settled.clone() })
}
