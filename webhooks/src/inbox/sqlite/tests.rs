//! What is SQLite's own affair: the file, the clock of one process, and the order of its work.

use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::{Either, join_all, select};
use rusqlite::Connection;
use tempfile::TempDir;

use super::writer::{Desk, Failed};
use super::{SqliteInbox, SqliteOptions, change, claim, settle};
use crate::clock::Clock;
use crate::inbox::conformance::world::{DAY, LEASE, entry, failed, parcel, sqlite_options, wanted};
use crate::inbox::record::{RunState, Selection};
use crate::inbox::{Access, ClaimedRun, End, Inbox, InboxError, Parcel, Put};

struct Opened {
    inbox: SqliteInbox,
    clock: Clock,
    folder: TempDir,
}

impl Opened {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut SqliteOptions)) -> Self {
        let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::turnable());
        let mut options = sqlite_options(folder.path(), &clock);
        options.max_pending = 1_000_000;
        change(&mut options);
        Self { inbox: SqliteInbox::open(options).unwrap().0, clock, folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("webhooks.db")
    }

    /// Beside the inbox, as an operator's tool would look.
    fn number(&self, sql: &str) -> i64 {
        Connection::open(self.file()).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    async fn put(&self, ids: impl IntoIterator<Item = usize>, order: Option<u8>) {
        let parcels = ids.into_iter().map(|id| parcel(vec![entry(&id.to_string(), &[("a", order)])]));
        join_all(parcels.map(|parcel| async { self.inbox.put(parcel).await.unwrap() })).await;
    }

    async fn claim(&self) -> Vec<ClaimedRun> {
        self.inbox.claim(wanted(&["a"], usize::MAX)).await.unwrap().runs
    }

    async fn end(&self, runs: &[ClaimedRun], end: &End) {
        join_all(runs.iter().map(|run| async {
            assert!(self.inbox.settle(run.fence, end.clone()).await.unwrap());
        }))
        .await;
    }
}

#[tokio::test]
async fn no_correction_of_the_time_ends_a_lease() {
    let opened = Opened::new();
    opened.put([1], None).await;
    let runs = opened.claim().await;
    for jump in [7_200, -7_200] {
        opened.clock.jump_wall(jump);
        let claimed = opened.inbox.claim(wanted(&["a"], 1)).await.unwrap();
        assert!(!claimed.suspect && claimed.runs.is_empty());
        assert!(opened.inbox.renew(runs[0].fence, LEASE).await.unwrap());
    }
    opened.end(&runs, &End::Done).await;
}

/// Has `work` done, and undone.
async fn undo(opened: &Opened, work: impl FnOnce(&mut Desk) -> rusqlite::Result<()> + Send + 'static) {
    let undone = opened.inbox.writer.write(move |desk| {
        work(desk)?;
        Err::<(), _>(Failed::Refused(InboxError::Full))
    });
    assert!(matches!(undone.await, Err(InboxError::Full)));
}

#[tokio::test]
async fn a_run_whose_claim_was_undone_is_claimed_again() {
    let opened = Opened::new();
    opened.put([1], None).await;
    let first = opened.claim().await;
    opened.clock.advance(LEASE * 2);
    for is_settled in [false, true] {
        let (fence, now, options) = (first[0].fence, opened.inbox.now(), opened.inbox.options);
        undo(&opened, move |desk| {
            if is_settled {
                assert!(settle::settle(desk, fence, &End::Done, now.wall, &options)?);
            }
            let claimed = claim::claim(desk, &wanted(&["a"], 1), now, &options)?;
            assert_eq!(claimed.runs.len(), usize::from(!is_settled));
            Ok(())
        })
        .await;
    }
    assert!(opened.inbox.renew(first[0].fence, LEASE).await.unwrap(), "nobody else has it");
    opened.clock.advance(LEASE * 2);
    let second = opened.claim().await;
    assert_eq!(second.iter().map(|run| run.attempt).collect::<Vec<_>>(), [2]);
    assert!(!opened.inbox.renew(first[0].fence, LEASE).await.unwrap(), "it has been taken over");
    opened.end(&second, &End::Done).await;
}

#[tokio::test]
async fn a_claim_that_is_on_disk_though_it_failed_lapses() {
    let opened = Opened::new();
    opened.put([1], None).await;
    opened.claim().await;
    let sql = "UPDATE runs SET attempt = 2, spent = 2, unsettled = 2";
    Connection::open(opened.file()).unwrap().execute(sql, []).unwrap();
    opened.clock.advance(LEASE * 2);
    assert!(opened.claim().await.is_empty(), "an attempt that nobody was told of");
    let claimed = opened.claim().await;
    assert_eq!(claimed.iter().map(|run| run.fence.attempt).collect::<Vec<_>>(), [3]);
    opened.end(&claimed, &End::Done).await;
}

#[tokio::test]
async fn what_is_blocked_is_out_of_every_claims_sight() {
    let opened = Opened::new();
    let in_sight = || {
        opened.number(
            "SELECT count(*) FROM runs INDEXED BY runs_due WHERE state = 0 AND unsettled = 0 AND blocked = 0",
        )
    };
    opened.put(0..600, Some(1)).await;
    assert_eq!(in_sight(), 1);
    let head = opened.claim().await;
    assert_eq!((head.len(), in_sight()), (1, 0));
    opened.end(&head, &End::Done).await;
    assert_eq!(in_sight(), 1);

    // All of them come back at once, and each claim takes a part of them out of sight again.
    let sql = "UPDATE runs SET state = 2, blocked = 0 WHERE state = 0";
    Connection::open(opened.file()).unwrap().execute(sql, []).unwrap();
    opened.inbox.replay(Selection::new().state(RunState::Dead)).await.unwrap();
    assert_eq!(in_sight(), 599);
    let first = opened.inbox.claim(wanted(&["a"], 500)).await.unwrap();
    assert_eq!((first.runs.len(), first.next_due), (1, Some(Duration::ZERO)));
    while opened.inbox.claim(wanted(&["a"], 500)).await.unwrap().next_due.is_some() {}
    assert_eq!(in_sight(), 0);
}

#[tokio::test]
async fn a_change_asks_again_whether_a_run_is_still_selected() {
    let opened = Opened::new();
    opened.put([1], None).await;
    opened.end(&opened.claim().await, &failed()).await;
    let dead = Selection::new().state(RunState::Dead);
    let runs = opened.inbox.parts(&dead).await.unwrap().concat();
    opened.inbox.replay(dead.clone()).await.unwrap();
    let (now, options) = (opened.inbox.now().wall, opened.inbox.options);
    let change = opened.inbox.writer.write(move |desk| {
        let replayed = change::replay(desk, &runs, &dead)?.runs;
        Ok(replayed + change::discard(desk, &runs, &dead, now, &options)?)
    });
    assert_eq!(change.await.unwrap(), 0, "it is pending by now");
}

#[tokio::test]
async fn deliveries_do_not_wait_for_an_operator_to_end() {
    let opened = Opened::new();
    opened.put(0..change::PART * 10, None).await;
    opened.end(&opened.claim().await, &failed()).await;
    let drop_all = Box::pin(opened.inbox.discard(Selection::new()));
    let puts = Box::pin(async {
        for id in 10_000..10_005 {
            opened.put([id], None).await;
        }
    });
    assert!(matches!(select(drop_all, puts).await, Either::Right(_)));
}

#[tokio::test]
async fn what_another_process_changes_is_counted() {
    let opened = Opened::with(|options| options.max_pending = 10);
    opened.put(0..10, None).await;
    opened.end(&opened.claim().await, &failed()).await;
    opened.put(10..12, None).await;
    let options =
        SqliteOptions { access: Access::Operator, ..sqlite_options(opened.folder.path(), &opened.clock) };
    SqliteInbox::open(options).unwrap().0.replay(Selection::new()).await.unwrap();
    let began = std::time::Instant::now();
    for id in 100.. {
        match opened.inbox.put(parcel(vec![entry(&format!("{id}"), &[("a", None)])])).await {
            Err(InboxError::Full) => return,
            put => assert_eq!(put.unwrap(), [Put::Stored]),
        }
        assert!(began.elapsed() < Duration::from_secs(20), "nobody noticed");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn a_file_that_was_large_shrinks() {
    let opened = Opened::new();
    let large = |id: usize| Parcel {
        body: vec![b' '; 256 << 10].into(),
        ..parcel(vec![entry(&id.to_string(), &[("a", None)])])
    };
    join_all((0..64).map(|id| opened.inbox.put(large(id)))).await;
    while let runs @ [_, ..] = &opened.claim().await[..] {
        opened.end(runs, &End::Done).await;
    }
    let size = || {
        // What is in the log only is written into the file.
        Connection::open(opened.file()).unwrap().pragma_query(None, "wal_checkpoint", |_| Ok(())).unwrap();
        std::fs::metadata(opened.file()).unwrap().len()
    };
    let full = size();
    assert!(full > 16 << 20, "{full}");
    opened.clock.advance(DAY * 2);
    while opened.inbox.sweep().await.unwrap() {}
    assert!(size() < full / 4, "{} of {full}", size());
}

#[cfg(unix)]
#[tokio::test]
async fn the_files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let opened = Opened::new();
    opened.put([1], None).await;
    let files = std::fs::read_dir(opened.folder.path()).unwrap();
    let modes: Vec<_> =
        files.map(|it| it.unwrap().metadata().unwrap().permissions().mode() & 0o777).collect();
    assert!(modes.len() >= 3 && modes.iter().all(|mode| *mode == 0o600), "{modes:?}");
}

#[tokio::test]
async fn a_file_of_something_else_is_left_alone() {
    for (sql, complaint) in [
        ("CREATE TABLE numbers (number INTEGER)", "a database of something else"),
        (
            "CREATE TABLE a (b); PRAGMA application_id = 0x77683031; PRAGMA user_version = 99",
            "another version",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let options = sqlite_options(folder.path(), &Clock::turnable());
        Connection::open(&options.path).unwrap().execute_batch(sql).unwrap();
        let before = std::fs::read(&options.path).unwrap();
        let error = SqliteInbox::open(options.clone()).map(drop).unwrap_err().to_string();
        assert!(error.contains(complaint), "{error}");
        let tables = |path| -> i64 {
            let connection = Connection::open(path).unwrap();
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap()
        };
        assert_eq!(tables(&options.path), 1);
        assert_eq!(std::fs::read(&options.path).unwrap().len(), before.len());
    }
}

/// A service that writes all the time keeps no operator from looking.
#[tokio::test]
async fn an_operator_looks_while_somebody_writes() {
    let opened = Opened::new();
    opened.put(0..3, None).await;
    let writer = Connection::open(opened.file()).unwrap();
    writer.execute_batch("BEGIN IMMEDIATE").unwrap();
    let options =
        SqliteOptions { access: Access::Operator, ..sqlite_options(opened.folder.path(), &opened.clock) };
    let (operator, _) = SqliteInbox::open(options).unwrap();
    assert_eq!(operator.counts().await.unwrap()[0].pending, 3);
    writer.execute_batch("ROLLBACK").unwrap();
}
