//! Completed keys, as compactly as can be: they are nearly all of the store.
//!
//! A retention time is the same for all events of a source, so within one retention, order of completion is order of
//! expiry: a ring of keys, oldest first, replaces any sweeper. A table finds a key's position in the ring; it holds eight
//! bytes an entry because the key itself is read from the ring.

use std::collections::VecDeque;
use std::time::Duration;

use hashbrown::HashTable;
use smallvec::SmallVec;

use crate::clock::Moment;

/// Completed keys of one shard, by retention time. There are as many as distinct retentions are configured: a few, and
/// often one, which is in place.
///
/// Nearly every look at a shard finds that nothing has expired and that the key is not there. What says so stands here,
/// where one look into memory finds it: which of many shards is next, no cache can know.
#[derive(Debug, Default)]
pub(super) struct Completed {
    classes: SmallVec<[Class; 1]>,
    live: usize,
    /// No front of a ring expires before this second.
    quiet_until: u32,
}

#[derive(Debug)]
struct Class {
    retention: Duration,
    ring: VecDeque<Slot>,
    table: HashTable<Place>,
    /// The position of the ring's front.
    first: u32,
}

/// Where a key is.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// In the ring, counted from the first slot there ever was, modulo 2³².
    position: u32,
    /// A part of the key, by which others are told from it, and a table grows, without a look into the ring: that is
    /// memory which no cache holds.
    part: u32,
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
        self.live
    }

    pub(super) fn contains(&self, key: u128) -> bool {
        self.classes.iter().any(|class| class.find(words(key)).is_some())
    }

    pub(super) fn insert(&mut self, key: u128, retention: Duration, until: Moment) {
        // A record found again under another retention would be held twice.
        self.remove(key);
        let known = self.classes.iter().position(|class| class.retention == retention);
        let index = known.unwrap_or_else(|| {
            self.classes.push(Class::new(retention));
            self.classes.len() - 1
        });
        // Rounded up: remembered a second too long rather than too short.
        let expires = u32::try_from(until.as_secs()).unwrap_or(u32::MAX - 1).saturating_add(1);
        self.classes[index].insert(words(key), expires);
        self.quiet_until = self.quiet_until.min(expires);
        self.live += 1;
    }

    pub(super) fn remove(&mut self, key: u128) -> bool {
        let removed = self.classes.iter_mut().any(|class| class.remove(words(key)));
        self.live -= usize::from(removed);
        removed
    }

    /// Drops the oldest of the class whose front expires first.
    pub(super) fn evict_oldest(&mut self) -> bool {
        let oldest = self.classes.iter_mut().filter(|class| !class.table.is_empty());
        let evicted = oldest.min_by_key(|class| class.front()).is_some_and(Class::pop_oldest);
        self.live -= usize::from(evicted);
        evicted
    }

    pub(super) fn expire(&mut self, now: Moment, at_most: usize) {
        let now = u32::try_from(now.as_secs()).unwrap_or(u32::MAX);
        if now < self.quiet_until {
            return;
        }
        for class in &mut self.classes {
            for _ in 0..at_most {
                if class.front() > now {
                    break;
                }
                self.live -= usize::from(class.pop_front());
            }
        }
        self.quiet_until = self.classes.iter().map(Class::front).min().unwrap_or(0);
    }
}

impl Class {
    fn new(retention: Duration) -> Self {
        Self { retention, ring: VecDeque::new(), table: HashTable::new(), first: 0 }
    }

    /// When the front of the ring expires.
    fn front(&self) -> u32 {
        self.ring.front().map_or(u32::MAX, |slot| slot.expires)
    }

    fn find(&self, key: [u32; 4]) -> Option<u32> {
        let is_it = |place: &Place| {
            place.part == part(key) && self.slot(place.position).is_some_and(|it| it.key == key)
        };
        self.table.find(hash(part(key)), is_it).map(|place| place.position)
    }

    fn insert(&mut self, key: [u32; 4], expires: u32) {
        let position = self.first.wrapping_add(self.ring.len() as u32);
        self.ring.push_back(Slot { key, expires });
        let place = Place { position, part: part(key) };
        self.table.insert_unique(hash(place.part), place, |it| hash(it.part));
    }

    fn remove(&mut self, key: [u32; 4]) -> bool {
        let Some(position) = self.find(key) else { return false };
        if let Ok(entry) = self.table.find_entry(hash(part(key)), |it| it.position == position) {
            entry.remove();
        }
        // The slot stays in line, vacated: taken out of the middle, it would move all others.
        let index = position.wrapping_sub(self.first) as usize;
        if let Some(slot) = self.ring.get_mut(index) {
            slot.expires = 0;
        }
        true
    }

    /// Whether there was a key in it: the slot may have been vacated.
    fn pop_front(&mut self) -> bool {
        let Some(slot) = self.ring.pop_front() else { return false };
        let position = self.first;
        let entry = self.table.find_entry(hash(part(slot.key)), |it| it.position == position);
        let held = entry.map(|entry| entry.remove()).is_ok();
        self.first = self.first.wrapping_add(1);
        self.give_back();
        held
    }

    fn pop_oldest(&mut self) -> bool {
        while !self.ring.is_empty() {
            if self.pop_front() {
                return true;
            }
        }
        false
    }

    /// Returns memory after a burst, in steps rare enough not to matter.
    fn give_back(&mut self) {
        const WORTH_IT: usize = 1_024;
        if self.ring.capacity() > WORTH_IT && self.ring.len() < self.ring.capacity() / 4 {
            self.ring.shrink_to(self.ring.capacity() / 2);
            self.table.shrink_to(self.ring.len() * 2, |it| hash(it.part));
        }
    }

    fn slot(&self, position: u32) -> Option<&Slot> {
        self.ring.get(position.wrapping_sub(self.first) as usize)
    }
}

fn words(key: u128) -> [u32; 4] {
    [key as u32, (key >> 32) as u32, (key >> 64) as u32, (key >> 96) as u32]
}

/// The key is itself the first half of a SHA-256: any of its bits are a hash. The lowest chose the shard.
fn part(key: [u32; 4]) -> u32 {
    key[3]
}

/// A table takes its tags from the upper end and its places from the lower: they meet beyond 2²⁵ places.
fn hash(part: u32) -> u64 {
    (u64::from(part) << 32) | u64::from(part)
}
