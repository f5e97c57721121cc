//! The one thread that writes: it commits whatever has queued up together.

use std::fmt;
use std::sync::mpsc;

use rusqlite::{Connection, ErrorCode};
use tokio::sync::oneshot;

use crate::inbox::InboxError;

/// The way to the writing thread. It ends when this is dropped.
pub(super) struct Writer(mpsc::Sender<Box<dyn Order>>);

/// What the work of the thread is done with.
pub(super) struct Desk {
    pub(super) connection: Connection,
    /// How many runs are pending, where that is known: counting them for each delivery would be slow.
    pending: Option<u64>,
}

/// At most so many orders share a commit, so that the first of them need not wait for a crowd.
const MOST_TOGETHER: usize = 256;

impl Writer {
    /// Starts the thread. `owner` is kept open for as long as it lives.
    pub(super) fn start(connection: Connection, owner: Option<Connection>) -> Result<Self, InboxError> {
        let (sender, orders) = mpsc::channel();
        let mut desk = Desk { connection, pending: None };
        let thread = std::thread::Builder::new().name("webhooks-inbox".into());
        let started = thread.spawn(move || {
            desk.serve(&orders);
            drop(desk);
            drop(owner);
        });
        started.map_err(InboxError::unavailable)?;
        Ok(Self(sender))
    }

    /// Has something written. Returns when it is on disk, or when it is certain that it is not.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Desk) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, InboxError> {
        let (reply, answer) = oneshot::channel();
        let order = Errand { work: Some(work), done: None, reply };
        let gone = || InboxError::unavailable("its thread has ended");
        self.0.send(Box::new(order)).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

impl Desk {
    /// How many runs are pending.
    pub(super) fn pending(&mut self) -> rusqlite::Result<u64> {
        if let Some(pending) = self.pending {
            return Ok(pending);
        }
        let sql = "SELECT count(*) FROM runs INDEXED BY runs_due WHERE state = 0";
        let pending = self.connection.query_row(sql, [], |row| row.get::<_, i64>(0))?;
        let pending = u64::try_from(pending).unwrap_or_default();
        self.pending = Some(pending);
        Ok(pending)
    }

    /// Notes that so many more (or fewer) are pending.
    pub(super) fn note_pending(&mut self, change: i64) {
        self.pending = self.pending.map(|pending| pending.saturating_add_signed(change));
    }

    /// Has them counted again: another process may have changed something.
    pub(super) fn forget_pending(&mut self) {
        self.pending = None;
    }

    fn serve(&mut self, orders: &mpsc::Receiver<Box<dyn Order>>) {
        while let Ok(first) = orders.recv() {
            let mut together = vec![first];
            together.extend(orders.try_iter().take(MOST_TOGETHER - 1));
            let result = self.commit(&mut together);
            if result.is_err() {
                self.forget_pending();
            }
            for order in together {
                order.answer(&result);
            }
        }
    }

    /// All of them or none: an error of one is one of the disk, and of concern to all.
    fn commit(&mut self, together: &mut [Box<dyn Order>]) -> Result<(), InboxError> {
        let result = self.connection.execute_batch("BEGIN IMMEDIATE").and_then(|()| {
            together.iter_mut().try_for_each(|order| order.carry_out(self))?;
            self.connection.execute_batch("COMMIT")
        });
        if result.is_err() && !self.connection.is_autocommit() {
            // Some errors have rolled back already; where this fails too, the next BEGIN says so.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        result.map_err(|error| inbox_error(&error))
    }
}

/// What an error of SQLite's means to the rest.
pub(super) fn inbox_error(error: &rusqlite::Error) -> InboxError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => InboxError::Full,
        _ => InboxError::unavailable(error),
    }
}

/// Something to be written, and somebody who waits for it.
trait Order: Send {
    fn carry_out(&mut self, desk: &mut Desk) -> rusqlite::Result<()>;
    fn answer(self: Box<Self>, committed: &Result<(), InboxError>);
}

struct Errand<F, T> {
    work: Option<F>,
    done: Option<T>,
    reply: oneshot::Sender<Result<T, InboxError>>,
}

impl<T: Send, F: FnOnce(&mut Desk) -> rusqlite::Result<T> + Send> Order for Errand<F, T> {
    fn carry_out(&mut self, desk: &mut Desk) -> rusqlite::Result<()> {
        if let Some(work) = self.work.take() {
            self.done = Some(work(desk)?);
        }
        Ok(())
    }

    fn answer(self: Box<Self>, committed: &Result<(), InboxError>) {
        let answer = match (committed, self.done) {
            (Err(error), _) => Err(error.clone()),
            (Ok(()), Some(done)) => Ok(done),
            (Ok(()), None) => Err(InboxError::unavailable("nothing was done")),
        };
        // Whoever asked may have gone; what was written stays.
        let _ = self.reply.send(answer);
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writer")
    }
}
