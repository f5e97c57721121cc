//! Completed keys, as compactly as can be: they are nearly all of the store.
//!
//! A retention time is the same for all events of a source, so within one retention, order of completion is order of
//! expiry: a ring of keys, oldest first, replaces any sweeper. A table of positions in the ring finds a key; it holds
//! four bytes an entry because the key itself is read from the ring.

use std::collections::VecDeque;
use std::time::Duration;

use hashbrown::HashTable;

use crate::clock::Moment;

/// Completed keys of one shard, by retention time. There are as many as distinct retentions are configured: a few.
#[derive(Debug, Default)]
pub(super) struct Completed(Vec<Class>);

#[derive(Debug)]
struct Class {
    retention: Duration,
    ring: VecDeque<Slot>,
    /// Positions in the ring, counted from the first slot there ever was, modulo 2³².
    table: HashTable<u32>,
    /// The position of the ring's front.
    first: u32,
    live: usize,
}

/// Twenty bytes: the key as words, because a `u128` would be padded to 32.
#[derive(Debug, Clone, Copy)]
struct Slot {
    key: [u32; 4],
    /// Seconds on the monotonic clock, rounded up; 0 for a slot that was vacated early.
    expires: u32,
}

impl Completed {
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|class| class.live).sum()
    }

    pub(super) fn contains(&self, key: u128) -> bool {
        self.0.iter().any(|class| class.find(words(key)).is_some())
    }

    pub(super) fn insert(&mut self, key: u128, retention: Duration, until: Moment) {
        // A record found again under another retention would be held twice.
        self.remove(key);
        let known = self.0.iter().position(|class| class.retention == retention);
        let index = known.unwrap_or_else(|| {
            self.0.push(Class::new(retention));
            self.0.len() - 1
        });
        self.0[index].insert(words(key), until);
    }

    pub(super) fn remove(&mut self, key: u128) -> bool {
        self.0.iter_mut().any(|class| class.remove(words(key)))
    }

    /// Drops the oldest of the class whose front expires first.
    pub(super) fn evict_oldest(&mut self) -> bool {
        self.0
            .iter_mut()
            .filter(|class| class.live > 0)
            .min_by_key(|class| class.ring.front().map_or(u32::MAX, |slot| slot.expires))
            .is_some_and(Class::pop_oldest)
    }

    pub(super) fn expire(&mut self, now: Moment, at_most: usize) {
        let now = u32::try_from(now.as_secs()).unwrap_or(u32::MAX);
        for class in &mut self.0 {
            for _ in 0..at_most {
                match class.ring.front() {
                    Some(slot) if slot.expires <= now => class.pop_front(),
                    _ => break,
                }
            }
        }
    }
}

impl Class {
    fn new(retention: Duration) -> Self {
        Self { retention, ring: VecDeque::new(), table: HashTable::new(), first: 0, live: 0 }
    }

    fn find(&self, key: [u32; 4]) -> Option<u32> {
        self.table.find(hash(key), |position| self.slot(*position).is_some_and(|it| it.key == key)).copied()
    }

    fn insert(&mut self, key: [u32; 4], until: Moment) {
        // Rounded up: remembered a second too long rather than too short.
        let expires = u32::try_from(until.as_secs()).unwrap_or(u32::MAX - 1).saturating_add(1);
        let position = self.first.wrapping_add(self.ring.len() as u32);
        self.ring.push_back(Slot { key, expires });
        let (ring, first) = (&self.ring, self.first);
        let rehash =
            |position: &u32| ring.get(position.wrapping_sub(first) as usize).map_or(0, |slot| hash(slot.key));
        self.table.insert_unique(hash(key), position, rehash);
        self.live += 1;
    }

    fn remove(&mut self, key: [u32; 4]) -> bool {
        let Some(position) = self.find(key) else { return false };
        if let Ok(entry) = self.table.find_entry(hash(key), |it| *it == position) {
            entry.remove();
        }
        // The slot stays in line, vacated: taken out of the middle, it would move all others.
        let index = position.wrapping_sub(self.first) as usize;
        if let Some(slot) = self.ring.get_mut(index) {
            slot.expires = 0;
        }
        self.live -= 1;
        true
    }

    fn pop_front(&mut self) {
        let Some(slot) = self.ring.front().copied() else { return };
        let position = self.first;
        if let Ok(entry) = self.table.find_entry(hash(slot.key), |it| *it == position) {
            entry.remove();
            self.live -= 1;
        }
        self.ring.pop_front();
        self.first = self.first.wrapping_add(1);
        self.give_back();
    }

    fn pop_oldest(&mut self) -> bool {
        let before = self.live;
        while self.live == before && !self.ring.is_empty() {
            self.pop_front();
        }
        self.live < before
    }

    /// Returns memory after a burst, in steps rare enough not to matter.
    fn give_back(&mut self) {
        const WORTH_IT: usize = 1_024;
        if self.ring.capacity() > WORTH_IT && self.ring.len() < self.ring.capacity() / 4 {
            self.ring.shrink_to(self.ring.capacity() / 2);
            let (ring, first) = (&self.ring, self.first);
            self.table.shrink_to(ring.len() * 2, |position| {
                ring.get(position.wrapping_sub(first) as usize).map_or(0, |slot| hash(slot.key))
            });
        }
    }

    fn slot(&self, position: u32) -> Option<&Slot> {
        self.ring.get(position.wrapping_sub(self.first) as usize)
    }
}

fn words(key: u128) -> [u32; 4] {
    [key as u32, (key >> 32) as u32, (key >> 64) as u32, (key >> 96) as u32]
}

/// The key is itself the first half of a SHA-256: any of its bits are a hash. The low ones chose the shard.
fn hash(key: [u32; 4]) -> u64 {
    (u64::from(key[3]) << 32) | u64::from(key[2])
}
