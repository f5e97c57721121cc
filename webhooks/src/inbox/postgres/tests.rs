//! What several processes on one database must not do to each other.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use support::postgres_server::PostgresServer;
use support::relay::Relay;

use super::{PostgresInbox, PostgresOptions};
use crate::clock::Clock;
use crate::delivery::SourceName;
use crate::inbox::conformance::world::notice;
use crate::inbox::record::{RunState, Selection};
use crate::inbox::{
    Access, ClaimedRun, End, Inbox, NewEntry, NewRun, Parcel, Payload, Put, Wanted, WantedListener,
};
use crate::listener::options::OnDead;
use crate::scheme::Verified;
use crate::store::{DeadReason, EventKey};

pub(super) const DAY: Duration = Duration::from_secs(86_400);
pub(super) const LEASE: Duration = Duration::from_secs(60);

/// One database, one clock, and as many processes as a test wants.
pub(super) struct Fleet {
    server: Arc<PostgresServer>,
    pub(super) url: String,
    pub(super) clock: Clock,
}

impl Fleet {
    pub(super) fn new() -> Self {
        Self::on(PostgresServer::shared())
    }

    pub(super) fn on(server: Arc<PostgresServer>) -> Self {
        Self { url: server.database(), server, clock: Clock::turnable() }
    }

    pub(super) async fn process(&self) -> PostgresInbox {
        PostgresInbox::open(self.options(&self.url)).await.unwrap().0
    }

    /// One whose way to the server can be broken.
    pub(super) async fn far_process(&self) -> (PostgresInbox, Relay) {
        let way = Relay::to(self.server.address()).await;
        let port = |address: std::net::SocketAddr| format!(":{}/", address.port());
        let url = self.url.replace(&port(self.server.address()), &port(way.address()));
        (PostgresInbox::open(self.options(&url)).await.unwrap().0, way)
    }

    pub(super) fn options(&self, url: &str) -> PostgresOptions {
        PostgresOptions {
            url: url.into(),
            max_connections: 8,
            keep_done: DAY,
            keep_body: DAY,
            keep_dead: DAY,
            max_pending: 1_000_000,
            clock: self.clock.clone(),
            access: Access::Worker { patience: Duration::ZERO },
        }
    }

    pub(super) fn query(&self, sql: &str) -> String {
        self.server.query_in(&self.url, sql)
    }

    /// Leases run out, which these processes notice.
    async fn lapse(&self, processes: &[&PostgresInbox]) {
        self.clock.advance(LEASE * 2);
        for process in processes {
            notice(*process, &self.clock, LEASE).await;
        }
    }

    async fn until_listening(&self, processes: usize) {
        let listening = "SELECT count(*) FROM pg_stat_activity
                         WHERE query LIKE 'LISTEN%' AND datname = current_database()";
        while self.query(listening) != processes.to_string() {
            tokio::task::yield_now().await;
        }
    }
}

pub(super) fn parcel(ids: &[String], listeners: &[&str], order: Option<u8>) -> Parcel {
    let source = SourceName::new("stripe").unwrap();
    let entry = |id: &String| NewEntry {
        key: EventKey::new(&source, &[id.as_bytes()]),
        id: Some(id.clone()),
        event_type: "paid".to_owned(),
        payload: Payload::Range { start: 0, length: 2 },
        retention: DAY,
        runs: listeners
            .iter()
            .map(|listener| NewRun { listener: (*listener).into(), order_key: order.map(|it| [it; 16]) })
            .collect(),
    };
    Parcel {
        events: ids.iter().map(entry).collect(),
        source: source.clone(),
        delivery_id: 7,
        received_at: SystemTime::now(),
        verified: Verified::new(),
        headers: Vec::new(),
        body: Bytes::from_static(b"{}"),
        tokens: Vec::new(),
    }
}

/// Events of so many order keys, one of each.
pub(super) fn parcel_of_lines(name: &str, lines: u32) -> Parcel {
    let ids: Vec<String> = (0..lines).map(|line| format!("{name} {line}")).collect();
    let mut parcel = parcel(&ids, &["a"], None);
    for (line, entry) in (0..lines).zip(&mut parcel.events) {
        entry.runs[0].order_key = Some(u128::from(line).to_be_bytes());
    }
    parcel
}

fn wanted(listeners: &[&str], limit: usize, idle: bool) -> Wanted {
    let listeners = listeners.iter();
    let listeners = listeners.map(|id| WantedListener {
        id: (*id).into(),
        limit: usize::MAX,
        order: Some(OnDead::Skip),
        max_attempts: 12,
    });
    Wanted { listeners: listeners.collect(), limit, lease: LEASE, idle }
}

pub(super) async fn put(inbox: &PostgresInbox, id: &str, listeners: &[&str], order: Option<u8>) -> Put {
    inbox.put(parcel(&[id.to_owned()], listeners, order)).await.unwrap()[0]
}

pub(super) async fn claim(inbox: &PostgresInbox, limit: usize) -> Vec<ClaimedRun> {
    inbox.claim(wanted(&["a", "b"], limit, true)).await.unwrap().runs
}

fn id(run: &ClaimedRun) -> &str {
    run.event.id.as_deref().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_run_is_claimed_by_two() {
    let fleet = Fleet::new();
    let processes = [fleet.process().await, fleet.process().await, fleet.process().await];
    for number in 0..200 {
        put(&processes[0], &number.to_string(), &["a", "b"], None).await;
    }
    let work = async |inbox: &PostgresInbox| {
        let mut taken = Vec::new();
        loop {
            let runs = claim(inbox, 7).await;
            if runs.is_empty() {
                return taken;
            }
            for run in runs {
                assert!(inbox.settle(run.fence, End::Done).await.unwrap());
                taken.push((id(&run).to_owned(), run.listener));
            }
        }
    };
    let [one, two, three] = &processes;
    let (one, two, three) = tokio::join!(work(one), work(two), work(three));
    let mut all = [one, two, three].concat();
    assert_eq!(all.len(), 400);
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 400, "some ran twice");
    // Whoever settles the last run of an event sees that it is the last.
    assert_eq!(fleet.query("SELECT count(*) FROM webhooks.events WHERE purge_at IS NULL"), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_event_put_by_many_at_once_is_stored_once() {
    let fleet = Fleet::new();
    let (one, two) = (fleet.process().await, fleet.process().await);
    for round in 0..20 {
        let id = format!("evt_{round}");
        let all = (0..8).map(|at| put(if at % 2 == 0 { &one } else { &two }, &id, &["a"], None));
        let puts = futures_util::future::join_all(all).await;
        assert_eq!(puts.iter().filter(|put| **put == Put::Stored).count(), 1, "{puts:?}");
    }
    assert_eq!(fleet.query("SELECT count(*) FROM webhooks.deliveries"), "20", "no delivery without an event");
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_overlap_in_different_orders_do_not_lock_each_other_out() {
    let fleet = Fleet::new();
    let (one, two) = (fleet.process().await, fleet.process().await);
    let ids: Vec<String> = (0..30).map(|it| it.to_string()).collect();
    let reversed: Vec<String> = ids.iter().rev().cloned().collect();
    let all = (0..8).map(|at| match at % 2 {
        0 => one.put(parcel(&ids, &["a"], None)),
        _ => two.put(parcel(&reversed, &["a"], None)),
    });
    let puts = futures_util::future::join_all(all).await;
    let stored = puts.into_iter().flat_map(Result::unwrap).filter(|put| *put == Put::Stored).count();
    assert_eq!(stored, 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn ordered_runs_go_one_at_a_time_whoever_claims() {
    let fleet = Fleet::new();
    let (one, two) = (fleet.process().await, fleet.process().await);
    // Put at once by two processes: whatever their order is, it is one order.
    let puts = (0..40).map(|at| {
        let inbox = if at % 2 == 0 { &one } else { &two };
        async move { put(inbox, &at.to_string(), &["a"], Some(1)).await }
    });
    futures_util::future::join_all(puts).await;
    let running = std::sync::atomic::AtomicU32::new(0);
    let work = async |inbox: &PostgresInbox| {
        let mut seen = Vec::new();
        while fleet_pending(inbox).await > 0 {
            for run in claim(inbox, 5).await {
                assert_eq!(running.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0, "two at a time");
                tokio::task::yield_now().await;
                running.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                seen.push(run.fence.run);
                assert!(inbox.settle(run.fence, End::Done).await.unwrap());
            }
        }
        seen
    };
    let (left, right) = tokio::join!(work(&one), work(&two));
    assert_eq!(left.len() + right.len(), 40);
    for seen in [left, right] {
        assert!(seen.is_sorted(), "{seen:?}");
    }
}

async fn fleet_pending(inbox: &PostgresInbox) -> u64 {
    inbox.counts().await.unwrap().iter().map(|it| it.pending).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_head_waits_for_the_one_that_runs() {
    let fleet = Fleet::new();
    let inbox = fleet.process().await;
    put(&inbox, "1", &["a"], Some(1)).await;
    put(&inbox, "2", &["a"], Some(1)).await;
    let head = claim(&inbox, 5).await.remove(0);
    let dead = End::Dead { reason: DeadReason::Permanent, error: "no".to_owned() };
    assert!(inbox.settle(head.fence, dead).await.unwrap());
    let second = claim(&inbox, 5).await.remove(0);
    assert_eq!(id(&second), "2");

    let chosen = Selection::new().event_id("1").state(RunState::Dead);
    assert_eq!(inbox.replay(chosen).await.unwrap().runs, 1);
    assert!(claim(&inbox, 5).await.is_empty(), "one of the same order key runs");
    assert!(inbox.settle(second.fence, End::Done).await.unwrap());
    assert_eq!(id(&claim(&inbox, 5).await[0]), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crashed_run_is_claimed_though_one_in_front_of_it_was_replayed() {
    let fleet = Fleet::new();
    let inbox = fleet.process().await;
    put(&inbox, "1", &["a"], Some(1)).await;
    put(&inbox, "2", &["a"], Some(1)).await;
    let head = claim(&inbox, 5).await.remove(0);
    let dead = End::Dead { reason: DeadReason::Permanent, error: "no".to_owned() };
    assert!(inbox.settle(head.fence, dead).await.unwrap());
    assert_eq!(id(&claim(&inbox, 5).await[0]), "2");
    inbox.replay(Selection::new().event_id("1").state(RunState::Dead)).await.unwrap();
    fleet.lapse(&[&inbox]).await;
    let crashed = claim(&inbox, 5).await.remove(0);
    assert_eq!((id(&crashed), crashed.attempt), ("2", 2));
    assert!(inbox.settle(crashed.fence, End::Done).await.unwrap());
    assert_eq!(id(&claim(&inbox, 5).await[0]), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_sees_to_a_suspect_while_the_others_go_on() {
    let fleet = Fleet::new();
    let (one, two) = (fleet.process().await, fleet.process().await);
    put(&one, "culprit", &["a"], None).await;
    claim(&one, 5).await;
    fleet.lapse(&[&one]).await;
    put(&one, "innocent", &["a"], None).await;

    let busy = one.claim(wanted(&["a"], 5, false)).await.unwrap();
    assert!(busy.suspect && busy.runs.is_empty(), "it waits until nothing else runs there");
    assert_eq!(claim(&two, 5).await.iter().map(id).collect::<Vec<_>>(), ["innocent"]);

    let suspect = one.claim(wanted(&["a"], 5, true)).await.unwrap();
    assert!(suspect.suspect);
    assert_eq!(suspect.runs.iter().map(id).collect::<Vec<_>>(), ["culprit"]);
    assert_eq!(suspect.runs[0].attempt, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reserved_suspect_whose_process_dies_is_another_ones() {
    let fleet = Fleet::new();
    let (one, two) = (fleet.process().await, fleet.process().await);
    put(&one, "culprit", &["a"], None).await;
    claim(&one, 5).await;
    fleet.lapse(&[&one, &two]).await;
    assert!(one.claim(wanted(&["a"], 5, false)).await.unwrap().suspect);
    assert!(claim(&two, 5).await.is_empty());
    fleet.lapse(&[&one, &two]).await;
    assert_eq!(claim(&two, 5).await[0].attempt, 2);
    assert!(claim(&one, 5).await.is_empty(), "it is another's meanwhile");
}

/// A process that stood still for longer than its lease goes on, and says so, while another waits to become idle.
#[tokio::test(flavor = "multi_thread")]
async fn a_reserved_suspect_that_is_alive_after_all_is_left_alone() {
    let fleet = Fleet::new();
    let (one, two) = (fleet.process().await, fleet.process().await);
    put(&one, "slow", &["a"], None).await;
    let slow = claim(&two, 5).await.remove(0);
    fleet.lapse(&[&one]).await;
    assert!(one.claim(wanted(&["a"], 5, false)).await.unwrap().suspect, "it is reserved");
    assert!(two.renew(slow.fence, LEASE).await.unwrap());
    assert!(
        one.claim(wanted(&["a"], 5, true)).await.unwrap().runs.is_empty(),
        "nobody runs it beside its holder"
    );
    assert!(two.settle(slow.fence, End::Done).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn text_that_postgresql_cannot_hold_is_no_reason_to_refuse_an_event() {
    let fleet = Fleet::new();
    let inbox = fleet.process().await;
    assert_eq!(put(&inbox, "a\0b", &["a"], None).await, Put::Stored);
    assert_eq!(put(&inbox, "a\0b", &["a"], None).await, Put::Duplicate);
    let run = claim(&inbox, 1).await.remove(0);
    assert_eq!(id(&run), "a\u{FFFD}b");
    assert!(inbox.settle(run.fence, End::Retry { delay: DAY, error: "\0".into() }).await.unwrap());
    assert_eq!(inbox.list(Selection::new().event_id("a\0b")).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn others_are_woken() {
    let fleet = Fleet::new();
    let (one, two) = (Arc::new(fleet.process().await), Arc::new(fleet.process().await));
    let woken = Arc::new(tokio::sync::Notify::new());
    for (inbox, wake) in [(&one, Arc::default()), (&two, Arc::clone(&woken))] {
        let inbox = Arc::clone(inbox);
        tokio::spawn(async move { inbox.watch(wake).await });
    }
    fleet.until_listening(2).await;
    put(&one, "1", &["a"], None).await;
    tokio::time::timeout(support::process::PATIENCE, woken.notified()).await.expect("the other is told");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_listens_takes_no_connection_of_the_pool() {
    let fleet = Fleet::new();
    let options = PostgresOptions { max_connections: 1, ..fleet.options(&fleet.url) };
    let inbox = Arc::new(PostgresInbox::open(options).await.unwrap().0);
    let listener = Arc::clone(&inbox);
    tokio::spawn(async move { listener.watch(Arc::default()).await });
    fleet.until_listening(1).await;
    assert_eq!(put(&inbox, "1", &["a"], None).await, Put::Stored);
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_together_make_the_tables_once() {
    let fleet = Fleet::new();
    let all = (0..8).map(|_| PostgresInbox::open(fleet.options(&fleet.url)));
    for opened in futures_util::future::join_all(all).await {
        opened.unwrap();
    }
    fleet.query("UPDATE webhooks.inbox_version SET version = 99");
    let error = PostgresInbox::open(fleet.options(&fleet.url)).await.map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("99"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_the_server_is_said_without_the_password() {
    let fleet = Fleet::new();
    for url in
        ["postgres://me:hunter2@127.0.0.1:1/nothing", "not a url, hunter2", "postgres://me:hunter2@:x/"]
    {
        let error = PostgresInbox::open(fleet.options(url)).await.map(|_| ()).unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
}
