//! Notices the same signed content under another id.

use std::collections::VecDeque;
use std::sync::Mutex;

use xxhash_rust::xxh3::xxh3_64;

use crate::store::uniform::UniformMap;

/// Remembers under which id the latest contents came. In this process only: what it notices is counted, and decides
/// nothing.
#[derive(Debug, Default)]
pub(crate) struct ReplayDetector(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    ids: UniformMap<u128, u64>,
    order: VecDeque<u128>,
}

impl ReplayDetector {
    const REMEMBERED: usize = 4_096;

    /// Whether the content came before, under other ids.
    pub(super) fn is_suspicious<'i>(&self, content: u128, ids: impl Iterator<Item = &'i str>) -> bool {
        let id = ids.fold(0_u64, |all, id| all.wrapping_mul(31).wrapping_add(xxh3_64(id.as_bytes())));
        let mut seen = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(known) = seen.ids.get(&content) {
            return *known != id;
        }
        if seen.order.len() >= Self::REMEMBERED
            && let Some(oldest) = seen.order.pop_front()
        {
            seen.ids.remove(&oldest);
        }
        seen.ids.insert(content, id);
        seen.order.push_back(content);
        false
    }
}
