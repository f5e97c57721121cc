//! What listeners did, in a file that outlives whoever wrote to it: a written record is not lost with its process.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

/// Where deeds are written. Each is one `write` at the end of the file, so that none lies across another.
pub(crate) struct Deeds(File);

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    Begun,
    Ended,
}

/// How often each run was begun and ended, by event and listener.
#[derive(Default)]
pub(crate) struct Tally(HashMap<(u64, u8), (u32, u32)>);

const RECORD: usize = 10;

impl Deeds {
    pub(crate) fn open(path: &Path) -> std::io::Result<Self> {
        OpenOptions::new().create(true).append(true).open(path).map(Self)
    }

    pub(crate) fn write(&self, event: u64, listener: u8, deed: Deed) -> std::io::Result<()> {
        let mut record = [0; RECORD];
        record[..8].copy_from_slice(&event.to_le_bytes());
        record[8] = listener;
        record[9] = u8::from(deed == Deed::Ended);
        (&self.0).write_all(&record)
    }
}

impl Tally {
    pub(crate) fn read(path: &Path) -> std::io::Result<Self> {
        let mut tally = Self::default();
        for record in std::fs::read(path)?.chunks_exact(RECORD) {
            let (event, rest) = record.split_at(8);
            let event = u64::from_le_bytes(event.try_into().unwrap_or_default());
            let (begun, ended) = tally.0.entry((event, rest[0])).or_default();
            *(if rest[1] == 0 { begun } else { ended }) += 1;
        }
        Ok(tally)
    }

    /// How often it was begun, and how often ended.
    pub(crate) fn of(&self, event: u64, listener: u8) -> (u32, u32) {
        self.0.get(&(event, listener)).copied().unwrap_or_default()
    }

    pub(crate) fn ended(&self) -> u64 {
        self.0.values().map(|(_, ended)| u64::from(*ended)).sum()
    }
}
