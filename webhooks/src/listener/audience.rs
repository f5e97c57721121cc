//! The listeners of one event.

use std::fmt;
use std::hash::BuildHasher;
use std::ops::Deref;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};
use smallvec::SmallVec;

use super::bound::Listener;

/// The listeners of one event, in order of registration.
///
/// It is a place in a table that all events share. To count for each event who holds its listeners would be more looks
/// into memory which, with thousands of them, is seldom in the cache.
#[derive(Clone)]
pub(crate) struct Audience {
    table: Arc<AudienceTable>,
    place: usize,
}

/// The audiences of one source by what they hear. It does not change once it is shared.
///
/// Who may send an event adds none, so that hashes need not be safe from anybody.
#[derive(Debug, Default)]
pub(super) struct AudienceTable {
    entries: HashTable<Entry>,
    /// Which kinds there are: most services have few, and what is not there need not be looked for.
    has: [bool; Heard::KINDS],
    hashing: DefaultHashBuilder,
}

/// What an audience hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Heard {
    /// One event type, which some listener names.
    Exactly,
    /// The types that begin so, as far as there is no better entry: a stem with its separator, such as `a.`.
    Under,
    /// The type that stems begin with, without a separator: `"a.*"` hears `a` too.
    Parent,
    /// All the rest. Its name is empty.
    Any,
}

impl Heard {
    const KINDS: usize = Self::Any as usize + 1;
}

/// All that it takes to find an audience and to run its listener is in place: two lines of the cache, which are asked for
/// together.
#[repr(align(64))]
struct Entry {
    name: SmallVec<[u8; 24]>,
    heard: Heard,
    by: SmallVec<[Listener; 1]>,
}

impl AudienceTable {
    /// Puts in who hears this. What is there already stays.
    pub(super) fn insert(&mut self, heard: Heard, name: &str, by: impl Iterator<Item = Listener>) {
        if self.find(heard, name).is_some() {
            return;
        }
        self.has[heard as usize] = true;
        let entry = Entry { name: SmallVec::from_slice(name.as_bytes()), heard, by: by.collect() };
        let hash = |it: &Entry| self.hashing.hash_one((it.heard, &*it.name));
        self.entries.insert_unique(hash(&entry), entry, hash);
    }

    /// The place of what is heard under the name.
    pub(super) fn find(&self, heard: Heard, name: &str) -> Option<usize> {
        if !self.has[heard as usize] {
            return None;
        }
        let hash = self.hashing.hash_one((heard, name.as_bytes()));
        self.entries.find_bucket_index(hash, |it| *it.name == *name.as_bytes() && it.heard == heard)
    }
}

impl Audience {
    /// The one at a place of the table, or nobody.
    pub(super) fn new(table: Arc<AudienceTable>, place: Option<usize>) -> Self {
        Self { table, place: place.unwrap_or(usize::MAX) }
    }
}

impl Deref for Audience {
    type Target = [Listener];

    fn deref(&self) -> &[Listener] {
        self.table.entries.get_bucket(self.place).map_or(&[], |entry| &entry.by)
    }
}

impl fmt::Debug for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&**self).finish()
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} `{}`: {:?}", self.heard, self.name.escape_ascii(), self.by)
    }
}
