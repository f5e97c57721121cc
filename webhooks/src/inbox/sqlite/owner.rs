//! The right to work a file off: two processes that both do would take turns in losing runs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};

use super::open::make;
use crate::inbox::InboxError;

/// The right to work a file off. It ends with this, and with the process, however that ends.
///
/// It is SQLite's own lock on a file of its own, so that an operator's tool can still open the inbox itself.
#[derive(Debug)]
pub(super) struct Owner {
    /// Holds the lock.
    _lock: Connection,
    /// Dropped after the lock.
    _entry: Entry,
}

/// The files that this process works off.
static OWN: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// A file that is in [`OWN`].
#[derive(Debug)]
struct Entry(PathBuf);

impl Owner {
    /// How long another inbox of this process is waited for: one that was dropped needs a moment to close its file.
    const CLOSING: Duration = Duration::from_secs(5);
    const PAUSE: Duration = Duration::from_millis(20);

    /// Takes the file, whose one name this is, and waits for another process that has it: one that is being replaced
    /// needs a while to finish what it runs.
    pub(super) fn of(path: &Path, patience: Duration) -> Result<Self, InboxError> {
        let entry = Entry::make(path)?;
        let mut lock = path.as_os_str().to_owned();
        lock.push(".lock");
        make(Path::new(&lock))?;
        let in_words = |error| InboxError::unavailable(format!("{}: {error}", Path::new(&lock).display()));
        let connection = Connection::open(&lock).map_err(in_words)?;
        connection.busy_timeout(Duration::ZERO).map_err(in_words)?;
        let began = Instant::now();
        let mut told = false;
        loop {
            match connection.execute_batch("BEGIN EXCLUSIVE") {
                Ok(()) => return Ok(Self { _lock: connection, _entry: entry }),
                Err(error) if !is_taken(&error) => return Err(in_words(error)),
                Err(_) if began.elapsed() >= patience => {
                    return Err(InboxError::unavailable(format!(
                        "{} is another process's: an inbox has one",
                        path.display()
                    )));
                }
                Err(_) => {}
            }
            if !std::mem::replace(&mut told, true) {
                tracing::warn!(
                    inbox = %path.display(), seconds = patience.as_secs(),
                    "another process works the inbox off; waiting until it has left"
                );
            }
            std::thread::sleep(Self::PAUSE);
        }
    }
}

impl Entry {
    fn make(path: &Path) -> Result<Self, InboxError> {
        let began = Instant::now();
        while !own().insert(path.to_owned()) {
            if began.elapsed() >= Owner::CLOSING {
                return Err(InboxError::unavailable(format!(
                    "{} is in use in this very process: an inbox has one",
                    path.display()
                )));
            }
            std::thread::sleep(Owner::PAUSE);
        }
        Ok(Self(path.to_owned()))
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        own().remove(&self.0);
    }
}

fn own() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    OWN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_taken(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(code, Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}
