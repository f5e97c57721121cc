//! Maps whose keys are spread evenly already: the first half of a SHA-256, or random bits.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map by such keys. They are hashed again by nobody: it would cost more than all the rest of a lookup.
pub(crate) type UniformMap<K, V> = HashMap<K, V, BuildHasherDefault<UniformHasher>>;

/// Takes the key's upper half for its hash. The lower bits are left to choosing a shard.
#[derive(Debug, Default)]
pub(crate) struct UniformHasher(u64);

impl Hasher for UniformHasher {
    fn write_u128(&mut self, key: u128) {
        self.0 = (key >> 64) as u64;
    }

    /// For keys of other kinds, of which there are none: correct, if not even.
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
