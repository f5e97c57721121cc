//! An engine in a world whose time can be made to pass, and what to put into it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use crate::clock::Clock;
use crate::delivery::SourceName;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
use crate::inbox::Access;
use crate::inbox::record::{EventRecord, Selection};
use crate::inbox::{
    Claimed, ClaimedRun, End, Inbox, NewEntry, NewRun, Parcel, Payload, Put, Wanted, WantedListener,
};
use crate::listener::options::OnDead;
use crate::run::inline::Binding;
use crate::scheme::Verified;
use crate::store::{DeadReason, EventKey};

pub(in crate::inbox) const DAY: Duration = Duration::from_secs(86_400);
pub(in crate::inbox) const LEASE: Duration = Duration::from_secs(60);
pub(in crate::inbox) const MAX_PENDING: u64 = 100;

/// An engine under test, with a clock to turn. Bodies are kept a day, what is done a week, what is dead a month.
pub(in crate::inbox) struct World {
    pub(in crate::inbox) inbox: Arc<dyn Inbox>,
    pub(in crate::inbox) clock: Clock,
    /// Runs SQL beside the engine, as somebody who damages what it has stored.
    sql: Box<dyn Fn(&str)>,
    /// It believes that a lease is over once that has been so for half a lease.
    is_doubtful: bool,
}

#[cfg(feature = "sqlite")]
pub(in crate::inbox) fn sqlite() -> World {
    sqlite_at(tempfile::tempdir().unwrap())
}

/// On a file system in memory, where there is one: what is compared over and over need not wait for a disk.
#[cfg(feature = "sqlite")]
pub(super) fn sqlite_in_memory() -> World {
    let memory = std::path::Path::new("/dev/shm");
    sqlite_at(tempfile::tempdir_in(memory).unwrap_or_else(|_| tempfile::tempdir().unwrap()))
}

#[cfg(feature = "sqlite")]
fn sqlite_at(folder: tempfile::TempDir) -> World {
    let clock = Clock::turnable();
    let options = sqlite_options(folder.path(), &clock);
    let (inbox, _) = crate::inbox::sqlite::SqliteInbox::open(options).unwrap();
    let sql = move |sql: &str| {
        let connection = rusqlite::Connection::open(folder.path().join("webhooks.db")).unwrap();
        connection.execute_batch(sql).unwrap();
    };
    World { inbox: Arc::new(inbox), clock, sql: Box::new(sql), is_doubtful: false }
}

#[cfg(feature = "sqlite")]
pub(in crate::inbox) fn sqlite_options(
    folder: &std::path::Path,
    clock: &Clock,
) -> crate::inbox::sqlite::SqliteOptions {
    crate::inbox::sqlite::SqliteOptions {
        path: folder.join("webhooks.db"),
        keep_done: DAY * 7,
        keep_body: DAY,
        keep_dead: DAY * 30,
        max_pending: MAX_PENDING,
        clock: clock.clone(),
        access: Access::Worker { patience: Duration::ZERO },
    }
}

#[cfg(feature = "postgres")]
pub(super) async fn postgres() -> World {
    postgres_with(MAX_PENDING).await
}

/// With more room than is needed: what is dropped is counted by and by only.
#[cfg(feature = "postgres")]
pub(super) async fn roomy_postgres() -> World {
    postgres_with(1_000_000).await
}

#[cfg(feature = "postgres")]
async fn postgres_with(max_pending: u64) -> World {
    use crate::inbox::postgres::{PostgresInbox, PostgresOptions};
    let server = support::postgres_server::PostgresServer::shared();
    let (url, clock) = (server.database(), Clock::turnable());
    let options = PostgresOptions {
        url: url.as_str().into(),
        max_connections: 4,
        keep_done: DAY * 7,
        keep_body: DAY,
        keep_dead: DAY * 30,
        max_pending,
        clock: clock.clone(),
        access: Access::Worker { patience: Duration::ZERO },
    };
    let (inbox, _) = PostgresInbox::open(options).await.unwrap();
    let sql = move |sql: &str| {
        server.query_in(&url, &format!("SET search_path = webhooks; {sql}"));
    };
    World { inbox: Arc::new(inbox), clock, sql: Box::new(sql), is_doubtful: true }
}

impl World {
    pub(in crate::inbox) async fn put(&self, id: &str, runs: &[(&str, Option<u8>)]) -> Put {
        self.inbox.put(parcel(vec![entry(id, runs)])).await.unwrap()[0]
    }

    pub(in crate::inbox) async fn claim(&self, listeners: &[&str]) -> Claimed {
        self.inbox.claim(wanted(listeners, 50)).await.unwrap()
    }

    /// Claims of a listener whose dead runs hold up those behind.
    pub(in crate::inbox) async fn blocking(&self, listener: &str) -> Claimed {
        let mut blocking = wanted(&[listener], 50);
        blocking.listeners[0].order = Some(OnDead::Block);
        self.inbox.claim(blocking).await.unwrap()
    }

    /// Claims, and says what.
    pub(in crate::inbox) async fn ids(&self, listeners: &[&str]) -> Vec<String> {
        self.claim(listeners).await.runs.into_iter().filter_map(|run| run.event.id).collect()
    }

    /// Claims the one run that there is.
    pub(in crate::inbox) async fn one(&self, listener: &str) -> ClaimedRun {
        let mut runs = self.claim(&[listener]).await.runs;
        assert_eq!(runs.len(), 1);
        runs.remove(0)
    }

    pub(in crate::inbox) async fn end(&self, run: &ClaimedRun, end: End) -> bool {
        self.inbox.settle(run.fence, end).await.unwrap()
    }

    pub(in crate::inbox) async fn sweep(&self) {
        while self.inbox.sweep().await.unwrap() {}
    }

    /// Lets time pass, and has the engine notice which of these leases are over by then.
    pub(in crate::inbox) async fn pass(&self, time: Duration, lease: Duration) {
        self.clock.advance(time);
        if self.is_doubtful {
            notice(&*self.inbox, &self.clock, lease).await;
        }
    }

    /// Changes what is stored, behind the engine's back.
    pub(in crate::inbox) fn damage(&self, sql: &str) {
        (self.sql)(sql);
    }

    /// The latest event.
    pub(in crate::inbox) async fn latest(&self) -> EventRecord {
        let listed = self.inbox.list(Selection::new().limit(1)).await.unwrap();
        self.inbox.show(listed[0].number).await.unwrap().unwrap()
    }
}

/// An engine that does not trust the time of day sees whose lease is over, and waits for half a lease: nothing but that is
/// a matter of this clock.
pub(in crate::inbox) async fn notice(inbox: &dyn Inbox, clock: &Clock, lease: Duration) {
    let nothing = Wanted { listeners: Vec::new(), limit: 0, lease, idle: false };
    inbox.claim(nothing).await.unwrap();
    clock.advance(lease / 2);
    clock.jump_wall(-i64::try_from(lease.as_secs() / 2).unwrap());
}

/// A delivery of these events, whose body has five bytes.
pub(in crate::inbox) fn parcel(events: Vec<NewEntry>) -> Parcel {
    Parcel {
        source: source(),
        delivery_id: 7,
        received_at: SystemTime::now(),
        verified: Verified::by_secret(1).with_signed_at(SystemTime::UNIX_EPOCH + DAY),
        headers: b"[[\"a\",\"b\"]]".to_vec(),
        body: Bytes::from_static(b"[123]"),
        tokens: Vec::new(),
        events,
    }
}

/// A delivery of these events, whose token came with this body.
pub(in crate::inbox) fn with_token(token: &str, body: &str, events: Vec<NewEntry>) -> Parcel {
    let key = EventKey::new(&source(), &[b"token", token.as_bytes()]);
    let binding = Binding { key, body: body.to_owned(), retention: DAY };
    Parcel { tokens: vec![binding], ..parcel(events) }
}

/// An event of this id, for these listeners, each with its order key.
pub(in crate::inbox) fn entry(id: &str, runs: &[(&str, Option<u8>)]) -> NewEntry {
    let runs = runs.iter().map(|(listener, order)| NewRun {
        listener: (*listener).into(),
        order_key: order.map(|it| [it; 16]),
    });
    NewEntry {
        key: EventKey::new(&source(), &[id.as_bytes()]),
        id: Some(id.to_owned()),
        event_type: "paid".to_owned(),
        payload: Payload::Range { start: 1, length: 3 },
        retention: DAY,
        runs: runs.collect(),
    }
}

pub(in crate::inbox) fn wanted(listeners: &[&str], limit: usize) -> Wanted {
    let listener = |id: &&str| WantedListener {
        id: (*id).into(),
        limit: usize::MAX,
        order: Some(OnDead::Skip),
        max_attempts: 12,
    };
    Wanted { listeners: listeners.iter().map(listener).collect(), limit, lease: LEASE, idle: true }
}

pub(in crate::inbox) fn failed() -> End {
    End::Dead { reason: DeadReason::Permanent, error: "no".to_owned() }
}

fn source() -> SourceName {
    SourceName::new("stripe").unwrap()
}
