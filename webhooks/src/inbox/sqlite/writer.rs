//! The one thread that writes: it commits whatever has queued up together.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};
use tokio::sync::oneshot;

use super::leases::{Before, Leases};
use super::owner::Owner;
use crate::clock::Moment;
use crate::inbox::{Fence, InboxError};

/// The way to the writing thread. It ends when this is dropped.
pub(super) struct Writer(mpsc::Sender<Box<dyn Order>>);

/// What the work of the thread is done with.
pub(super) struct Desk {
    pub(super) connection: Connection,
    /// How many runs are pending, where that is known: counting them for each delivery would be slow.
    pending: Option<u64>,
    /// What [`pending`](Self::pending) was counted at, and when that was last looked at.
    data_version: i64,
    looked_at: Option<Instant>,
    pub(super) leases: Arc<Leases>,
    /// What leases were before the attempts that begin with this commit.
    begun: Vec<Before>,
    /// Attempts that end with this commit, and runs that are gone with it.
    pub(super) ended: Vec<Fence>,
    pub(super) dropped: Vec<i64>,
    /// Of the runs that are due, those go first that have failed before: next time the others.
    pub(super) retried_first: bool,
}

/// Why an order came to nothing. What it had written by then is undone.
#[derive(Debug)]
pub(super) enum Failed {
    /// It may not be; nothing is wrong with the file.
    Refused(InboxError),
    Sqlite(rusqlite::Error),
}

/// At most so many orders share a commit, so that the first of them need not wait for a crowd.
const MOST_TOGETHER: usize = 256;

impl Writer {
    /// Starts the thread. `owner` is kept open for as long as it lives.
    pub(super) fn start(
        connection: Connection,
        leases: Arc<Leases>,
        owner: Option<Owner>,
    ) -> Result<Self, InboxError> {
        let (sender, orders) = mpsc::channel();
        let mut desk = Desk {
            connection,
            pending: None,
            data_version: 0,
            looked_at: None,
            leases,
            begun: Vec::new(),
            ended: Vec::new(),
            dropped: Vec::new(),
            retried_first: false,
        };
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
        work: impl FnOnce(&mut Desk) -> Result<T, Failed> + Send + 'static,
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
        let sql = "SELECT (SELECT count(*) FROM runs INDEXED BY runs_due
                           WHERE state = 0 AND unsettled = 0 AND blocked = 0)
                        + (SELECT count(*) FROM runs INDEXED BY runs_suspect WHERE state = 0 AND unsettled > 0)
                        + (SELECT count(*) FROM runs INDEXED BY runs_blocked WHERE state = 0 AND blocked = 1)";
        let pending = self.connection.query_row(sql, [], |row| row.get::<_, i64>(0))?;
        let pending = u64::try_from(pending).unwrap_or_default();
        self.pending = Some(pending);
        Ok(pending)
    }

    /// Notes that so many more (or fewer) are pending.
    pub(super) fn note_pending(&mut self, change: i64) {
        self.pending = self.pending.map(|pending| pending.saturating_add_signed(change));
    }

    /// Has them counted again.
    pub(super) fn forget_pending(&mut self) {
        self.pending = None;
    }

    /// Gives the run to an attempt that begins with this commit. Nobody else can renew his lease of it from now on; if
    /// there is no such commit, he has it again.
    pub(super) fn hold(&mut self, fence: Fence, until: Moment) {
        self.begun.push(self.leases.hold(fence, until));
    }

    /// Notices that another process has changed something: an operator's tool. Counting takes its time, so that the
    /// number may be a second old.
    fn look_around(&mut self) -> rusqlite::Result<()> {
        const GOOD_FOR: Duration = Duration::from_secs(1);
        let sql = "PRAGMA data_version";
        let version = self.connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
        if self.data_version != version && self.looked_at.is_none_or(|at| at.elapsed() >= GOOD_FOR) {
            self.data_version = version;
            self.looked_at = Some(Instant::now());
            self.forget_pending();
        }
        Ok(())
    }

    fn serve(&mut self, orders: &mpsc::Receiver<Box<dyn Order>>) {
        while let Ok(first) = orders.recv() {
            let mut together = vec![first];
            together.extend(orders.try_iter().take(MOST_TOGETHER - 1));
            let result = self.commit(&mut together);
            self.update_leases(result.is_ok());
            if result.is_err() {
                self.forget_pending();
            }
            for order in together {
                order.answer(&result);
            }
        }
    }

    /// Leases end with the commit that ends their attempt. If there was none, no attempt has ended, and none has begun.
    fn update_leases(&mut self, committed: bool) {
        let (ended, dropped) = (std::mem::take(&mut self.ended), std::mem::take(&mut self.dropped));
        if committed {
            self.begun.clear();
            ended.into_iter().for_each(|fence| self.leases.end(fence));
            dropped.into_iter().for_each(|run| self.leases.forget(run));
        } else {
            self.give_back(0);
        }
    }

    /// What has begun since then has not. A run that somebody took whose lease had lapsed would be looked for under an
    /// attempt that there never was, and found by nobody.
    fn give_back(&mut self, since: usize) {
        let begun = self.begun.drain(since..);
        begun.rev().for_each(|before| self.leases.restore(before));
    }

    /// Those that can be carried out, or none.
    fn commit(&mut self, together: &mut [Box<dyn Order>]) -> Result<(), InboxError> {
        let result = self.run("BEGIN IMMEDIATE").and_then(|()| {
            self.look_around()?;
            together.iter_mut().try_for_each(|order| self.attend_to(&mut **order))?;
            self.run("COMMIT")
        });
        if result.is_err() && !self.connection.is_autocommit() {
            // Some errors have rolled back already; where this fails too, the next BEGIN says so.
            let _ = self.run("ROLLBACK");
        }
        result.map_err(|error| inbox_error(&error))
    }

    /// One order of those that share a commit. What is wrong with it alone is undone, and told to whoever gave it; what
    /// is returned is wrong with the file, and of concern to all.
    fn attend_to(&mut self, order: &mut dyn Order) -> rusqlite::Result<()> {
        let (pending, begun) = (self.pending, self.begun.len());
        let (ended, dropped) = (self.ended.len(), self.dropped.len());
        self.run("SAVEPOINT one")?;
        // What an order leaves half done is undone.
        let carried_out = catch_unwind(AssertUnwindSafe(|| order.carry_out(self)));
        let failed = match carried_out {
            Ok(Ok(())) => return self.run("RELEASE one"),
            Ok(Err(Failed::Sqlite(error))) if concerns_all(&error) => return Err(error),
            Ok(Err(Failed::Sqlite(error))) => {
                tracing::error!(%error, "the inbox could not carry something out, and has undone it");
                inbox_error(&error)
            }
            Ok(Err(Failed::Refused(error))) => error,
            Err(_) => {
                tracing::error!("a panic while the inbox was written: what it was about is undone");
                InboxError::unavailable("something panicked while it was written")
            }
        };
        self.run("ROLLBACK TO one")?;
        self.run("RELEASE one")?;
        self.pending = pending;
        self.give_back(begun);
        self.ended.truncate(ended);
        self.dropped.truncate(dropped);
        order.fail(failed);
        Ok(())
    }

    fn run(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute([]).map(drop)
    }
}

/// Whether it is about the file rather than about what was to be written.
pub(super) fn concerns_all(error: &rusqlite::Error) -> bool {
    !matches!(
        error.sqlite_error_code(),
        None | Some(
            ErrorCode::ConstraintViolation
                | ErrorCode::ParameterOutOfRange
                | ErrorCode::TooBig
                | ErrorCode::TypeMismatch
                | ErrorCode::Unknown
        )
    )
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
    fn carry_out(&mut self, desk: &mut Desk) -> Result<(), Failed>;
    fn fail(&mut self, error: InboxError);
    fn answer(self: Box<Self>, committed: &Result<(), InboxError>);
}

struct Errand<F, T> {
    work: Option<F>,
    done: Option<Result<T, InboxError>>,
    reply: oneshot::Sender<Result<T, InboxError>>,
}

impl<T: Send, F: FnOnce(&mut Desk) -> Result<T, Failed> + Send> Order for Errand<F, T> {
    fn carry_out(&mut self, desk: &mut Desk) -> Result<(), Failed> {
        if let Some(work) = self.work.take() {
            self.done = Some(Ok(work(desk)?));
        }
        Ok(())
    }

    fn fail(&mut self, error: InboxError) {
        self.done = Some(Err(error));
    }

    fn answer(self: Box<Self>, committed: &Result<(), InboxError>) {
        let answer = match (committed, self.done) {
            (Err(error), _) => Err(error.clone()),
            (Ok(()), Some(done)) => done,
            (Ok(()), None) => Err(InboxError::unavailable("nothing was done")),
        };
        // Whoever asked may have gone; what was written stays.
        let _ = self.reply.send(answer);
    }
}

impl From<rusqlite::Error> for Failed {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writer")
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join;

    use super::*;

    fn writer() -> Writer {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE numbers (number INTEGER UNIQUE)").unwrap();
        Writer::start(connection, Arc::default(), None).unwrap()
    }

    fn insert(desk: &mut Desk, number: i64) -> Result<(), Failed> {
        desk.connection.execute("INSERT INTO numbers VALUES (?1)", [number])?;
        Ok(())
    }

    fn count(desk: &mut Desk) -> Result<i64, Failed> {
        Ok(desk.connection.query_row("SELECT count(*) FROM numbers", [], |row| row.get(0))?)
    }

    /// What `bad` does, in one commit with two good ones.
    async fn among_others(bad: fn(&mut Desk) -> Result<(), Failed>) -> Result<(), InboxError> {
        let writer = writer();
        let (open, gate) = mpsc::channel::<()>();
        let gated = writer.write(move |desk| {
            // Until all of them are queued up.
            let _ = gate.recv();
            insert(desk, 0)
        });
        let queued = join(writer.write(bad), writer.write(|desk| insert(desk, 2)));
        let opened = async { open.send(()).unwrap() };
        let (first, ((failed, last), ())) = join(gated, join(queued, opened)).await;
        first.unwrap();
        last.unwrap();
        assert_eq!(writer.write(count).await.unwrap(), 2, "what the bad one wrote is undone");
        failed
    }

    #[tokio::test]
    async fn an_order_that_fails_takes_no_other_with_it() {
        let failed = among_others(|desk| {
            insert(desk, 1)?;
            insert(desk, 1)
        });
        assert!(matches!(failed.await, Err(InboxError::Unavailable(_))));
        let refused = among_others(|desk| {
            insert(desk, 1)?;
            Err(Failed::Refused(InboxError::Full))
        });
        assert!(matches!(refused.await, Err(InboxError::Full)));
    }

    #[tokio::test]
    async fn a_panic_ends_neither_the_thread_nor_what_shares_its_commit() {
        let panicked = among_others(|desk| {
            insert(desk, 1)?;
            panic!("as it must never")
        });
        assert!(matches!(panicked.await, Err(InboxError::Unavailable(_))));
    }
}
