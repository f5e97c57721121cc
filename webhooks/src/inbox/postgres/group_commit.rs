//! Deliveries that come in together are put down together: they share the way to the server and the wait for its disk.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sqlx::PgPool;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::ask::{Trouble, ask};
use super::put::{self, Stored};
use crate::inbox::{InboxError, Parcel};

type Answer = oneshot::Sender<Result<Stored, InboxError>>;

/// Puts deliveries down as they come. While statements are under way, those that come wait, and share the next one; a
/// delivery that comes alone waits for nobody.
pub(super) struct GroupCommit(Arc<Shared>);

struct Shared {
    pool: PgPool,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    writers: usize,
}

struct Waiting {
    parcel: Parcel,
    answer: Answer,
}

/// So many statements are under way at most: one that the server works on while the other is on its way.
const WRITERS: usize = 2;

/// So many deliveries share a statement at most, so that the first of them need not wait for a crowd …
const MOST_TOGETHER: usize = 64;

/// … and so many bytes of bodies, give or take the last.
const MOST_BYTES: usize = 1 << 20;

impl GroupCommit {
    pub(super) fn new(pool: PgPool) -> Self {
        Self(Arc::new(Shared { pool, queue: Mutex::default() }))
    }

    /// Puts one delivery down.
    pub(super) async fn put(&self, parcel: Parcel) -> Result<Stored, InboxError> {
        match self.0.enter(parcel) {
            // Here and now: nobody else need be woken for it.
            Entered::Alone(writer, parcel) => {
                let stored = writer.shared.put_alone(parcel).await;
                drop(writer);
                stored
            }
            Entered::Queued(answered) => {
                answered.await.map_err(|_| InboxError::unavailable("the process is going down"))?
            }
        }
    }
}

/// How a delivery is put down: by whoever brings it, or together with others.
enum Entered {
    Alone(Writer, Parcel),
    Queued(oneshot::Receiver<Result<Stored, InboxError>>),
}

impl Shared {
    fn enter(self: &Arc<Self>, parcel: Parcel) -> Entered {
        let mut queue = self.queue();
        let writer = (queue.writers < WRITERS).then(|| {
            queue.writers += 1;
            Writer { shared: Arc::clone(self), hands_over: true }
        });
        match writer {
            Some(writer) if queue.waiting.is_empty() => Entered::Alone(writer, parcel),
            writer => {
                let (answer, answered) = oneshot::channel();
                queue.waiting.push_back(Waiting { parcel, answer });
                // It sees that somebody waits, once it can.
                drop(queue);
                drop(writer);
                Entered::Queued(answered)
            }
        }
    }

    async fn write(&self, group: Vec<Waiting>) {
        let (parcels, answers): (Vec<_>, Vec<_>) = group.into_iter().map(|it| (it.parcel, it.answer)).unzip();
        let parcels = Arc::new(parcels);
        match self.put(&parcels).await {
            Ok(stored) => answer(answers.into_iter().zip(stored.into_iter().map(Ok))),
            // What is wrong with one of them is no concern of the others.
            Err(Trouble::Failed(error)) if answers.len() > 1 && error.as_database_error().is_some() => {
                let alone = Arc::into_inner(parcels).unwrap_or_default();
                for (parcel, answer_to) in alone.into_iter().zip(answers) {
                    answer([(answer_to, self.put_alone(parcel).await)]);
                }
            }
            Err(trouble) => {
                let error = self.give_up(trouble);
                answer(answers.into_iter().map(|answer_to| (answer_to, Err(error.clone()))));
            }
        }
    }

    async fn put_alone(&self, parcel: Parcel) -> Result<Stored, InboxError> {
        let put = self.put(&Arc::new(vec![parcel])).await;
        let stored = put.map_err(|trouble| self.give_up(trouble))?.pop();
        stored.ok_or_else(|| InboxError::unavailable("nothing was done"))
    }

    /// Nor would a server that is silent answer those who wait, and their providers wait with them.
    fn give_up(&self, trouble: Trouble) -> InboxError {
        let in_vain = trouble.is_silence();
        let error = InboxError::from(trouble);
        if in_vain {
            let waiting = std::mem::take(&mut self.queue().waiting);
            answer(waiting.into_iter().map(|it| (it.answer, Err(error.clone()))));
        }
        error
    }

    async fn put(&self, parcels: &Arc<Vec<Parcel>>) -> Result<Vec<Stored>, Trouble> {
        ask(&self.pool, |connection| {
            let parcels = Arc::clone(parcels);
            Box::pin(async move { put::put_all(connection, &parcels).await })
        })
        .await
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Those who share the next statement.
    fn next_group(&mut self) -> Vec<Waiting> {
        let mut bytes = 0;
        let fits = |waiting: &&Waiting| {
            let fits = bytes < MOST_BYTES;
            bytes += waiting.parcel.body.len();
            fits
        };
        let count = self.waiting.iter().take(MOST_TOGETHER).take_while(fits).count();
        self.waiting.drain(..count).collect()
    }
}

/// Who has one of the statements under way. It leaves when it is dropped, and hands over where somebody waits: also if
/// whoever brought a delivery has gone away in the middle of it.
struct Writer {
    shared: Arc<Shared>,
    /// Not while it is a task: one that is dropped in the middle was dropped by a runtime that is going down, and so
    /// would be the next one.
    hands_over: bool,
}

impl Writer {
    /// Writes until nobody waits.
    async fn write(mut self) {
        loop {
            let group = self.shared.queue().next_group();
            if group.is_empty() {
                break;
            }
            self.shared.write(group).await;
        }
        // To somebody who has come in this moment.
        self.hands_over = true;
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let runtime = Handle::try_current().ok().filter(|_| self.hands_over);
        let runtime = {
            let mut queue = self.shared.queue();
            let runtime = runtime.filter(|_| !queue.waiting.is_empty());
            queue.writers -= usize::from(runtime.is_none());
            runtime
        };
        if let Some(runtime) = runtime {
            runtime.spawn(Self { shared: Arc::clone(&self.shared), hands_over: false }.write());
        }
    }
}

fn answer(answers: impl IntoIterator<Item = (Answer, Result<Stored, InboxError>)>) {
    for (answer, stored) in answers {
        // Whoever asked may have gone; what was put down stays.
        let _ = answer.send(stored);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::future::join_all;
    use sqlx::Connection as _;

    use super::super::PostgresInbox;
    use super::super::tests::{Fleet, parcel};
    use super::*;
    use crate::inbox::{Inbox as _, Put};

    /// Puts begun while the table is locked: so many that two are under way and the others share the next statement.
    struct Held {
        fleet: Fleet,
        inbox: Arc<PostgresInbox>,
        lock: sqlx::PgConnection,
    }

    type Begun = tokio::task::JoinHandle<Result<Vec<Put>, InboxError>>;

    impl Held {
        async fn new() -> Self {
            let fleet = Fleet::new();
            let inbox = Arc::new(fleet.process().await);
            let mut lock = sqlx::PgConnection::connect(&fleet.url).await.unwrap();
            sqlx::raw_sql("BEGIN; LOCK TABLE webhooks.events IN EXCLUSIVE MODE")
                .execute(&mut lock)
                .await
                .unwrap();
            Self { fleet, inbox, lock }
        }

        /// Begins one, and returns when it is under way or waits.
        async fn begin(&self, id: &str) -> Begun {
            let under_way = || {
                let queue = self.inbox.puts.0.queue();
                queue.writers + queue.waiting.len()
            };
            let (before, inbox, id) = (under_way(), Arc::clone(&self.inbox), id.to_owned());
            let put = tokio::spawn(async move { inbox.put(parcel(&[id], &["a"], None)).await });
            while under_way() == before {
                tokio::task::yield_now().await;
            }
            put
        }

        async fn begin_all<const N: usize>(&self, ids: [&str; N]) -> Vec<Begun> {
            let mut all = Vec::new();
            for id in ids {
                all.push(self.begin(id).await);
            }
            all
        }

        async fn go_on(&mut self) {
            sqlx::raw_sql("ROLLBACK").execute(&mut self.lock).await.unwrap();
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn deliveries_that_come_meanwhile_share_a_statement() {
        let mut held = Held::new().await;
        let puts = held.begin_all(["1", "2", "3", "4", "5", "3"]).await;
        held.go_on().await;
        let mut became = Vec::new();
        for put in puts {
            became.extend(put.await.unwrap().unwrap());
        }
        assert_eq!(became.pop(), Some(Put::Duplicate));
        assert_eq!(became, [Put::Stored; 5]);
        assert_eq!(held.fleet.query("SELECT count(DISTINCT xmin::text) FROM webhooks.events"), "3");
        assert_eq!(held.fleet.query("SELECT count(*) FROM webhooks.deliveries"), "5");
        // Whoever has answered last leaves after that.
        while held.inbox.puts.0.queue().writers > 0 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_wrong_with_one_of_them_is_no_concern_of_the_others() {
        let mut held = Held::new().await;
        let puts = held.begin_all(["1", "2", "3", "bad", "5"]).await;
        let sql = "ALTER TABLE webhooks.events ADD CONSTRAINT good CHECK (event_id <> 'bad'); COMMIT";
        sqlx::raw_sql(sql).execute(&mut held.lock).await.unwrap();
        let mut became = Vec::new();
        for put in puts {
            became.push(put.await.unwrap().is_ok_and(|it| it == [Put::Stored]));
        }
        assert_eq!(became, [true, true, true, false, true]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn whoever_goes_away_in_the_middle_hands_over() {
        let mut held = Held::new().await;
        let mut puts = held.begin_all(["1", "2", "3"]).await;
        puts[0].abort();
        puts[1].abort();
        held.go_on().await;
        assert_eq!(puts.remove(2).await.unwrap().unwrap(), [Put::Stored]);
    }

    /// Some wait for an answer, some for a connection, most for those: all are told once it is clear that none comes.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_server_out_of_reach_keeps_nobody_waiting() {
        const CROWD: usize = MOST_TOGETHER * 8;
        let fleet = Fleet::new();
        let (inbox, way) = fleet.far_process().await;
        way.cut();
        let puts = (0..CROWD).map(|id| inbox.put(parcel(&[id.to_string()], &["a"], None)));
        let all = tokio::time::timeout(Duration::from_secs(12), join_all(puts)).await;
        assert!(all.expect("answers in time").iter().all(Result::is_err));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn large_bodies_do_not_crowd() {
        let mut queue = Queue::default();
        for _ in 0..MOST_TOGETHER {
            let (answer, _) = oneshot::channel();
            let body = vec![0; MOST_BYTES / 4].into();
            let parcel = Parcel { body, ..parcel(&[], &[], None) };
            queue.waiting.push_back(Waiting { parcel, answer });
        }
        assert_eq!(queue.next_group().len(), 4);
    }
}
