//! When the records of a shard expire that are not completed.

use std::collections::BTreeSet;

use smallvec::SmallVec;

use crate::clock::Moment;

/// Keys by the time at which they expire. Mostly there are few, those whose listeners run just now: these need no tree,
/// which would be allocated and given back for each of them.
#[derive(Debug, Default)]
pub(super) struct Expiries {
    few: SmallVec<[(Moment, u128); 3]>,
    many: BTreeSet<(Moment, u128)>,
}

impl Expiries {
    pub(super) fn insert(&mut self, at: Moment, key: u128) {
        if self.few.len() < self.few.inline_size() {
            self.few.push((at, key));
        } else {
            self.many.insert((at, key));
        }
    }

    pub(super) fn remove(&mut self, at: Moment, key: u128) {
        match self.few.iter().position(|it| *it == (at, key)) {
            Some(place) => {
                self.few.swap_remove(place);
            }
            None => {
                self.many.remove(&(at, key));
            }
        }
    }

    /// The first to expire.
    pub(super) fn first(&self) -> Option<(Moment, u128)> {
        self.few.iter().chain(self.many.first()).min().copied()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever comes and goes, they are a sorted set.
        #[test]
        fn the_first_is_the_first(steps in prop::collection::vec((any::<bool>(), 0..4_u64, 0..6_u128), 0..60)) {
            let (mut expiries, mut model) = (Expiries::default(), BTreeSet::new());
            for (comes, at, key) in steps {
                let at = Duration::from_secs(at);
                // A record is there once.
                match (comes, model.contains(&(at, key))) {
                    (true, false) => {
                        expiries.insert(at, key);
                        model.insert((at, key));
                    }
                    _ => {
                        expiries.remove(at, key);
                        model.remove(&(at, key));
                    }
                }
                prop_assert_eq!(expiries.first(), model.first().copied());
            }
        }
    }
}
