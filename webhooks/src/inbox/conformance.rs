//! What every engine promises, written once and asked of each.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::record::{RunState, Selection};
use super::{
    Claimed, ClaimedRun, End, Inbox, InboxError, NewEntry, NewRun, Parcel, Payload, Put, Wanted,
    WantedListener,
};
use crate::clock::Clock;
use crate::delivery::SourceName;
use crate::scheme::Verified;
use crate::store::{DeadReason, EventKey};

const DAY: Duration = Duration::from_secs(86_400);
const LEASE: Duration = Duration::from_secs(60);
const MAX_PENDING: u64 = 100;

/// An engine under test, with a clock to turn. Bodies are kept a day, what is done a week, what is dead a month.
struct World {
    inbox: Arc<dyn Inbox>,
    clock: Clock,
    _keeps: Box<dyn std::any::Any>,
}

macro_rules! every_engine_keeps {
    ($($clause:ident),* $(,)?) => {
        #[cfg(feature = "sqlite")]
        mod sqlite {
            $(
                #[tokio::test]
                async fn $clause() {
                    super::$clause(&super::sqlite_world()).await;
                }
            )*
        }

        #[cfg(feature = "postgres")]
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $clause() {
                    super::$clause(&super::postgres_world().await).await;
                }
            )*
        }
    };
}

every_engine_keeps! {
    an_event_is_put_down_once,
    without_a_key_every_delivery_is_an_event,
    a_batch_is_put_down_in_one_piece,
    what_was_put_comes_back_byte_for_byte,
    a_claimed_run_is_nobody_elses,
    a_claim_counts_the_attempt_and_fences_the_last,
    a_retry_falls_due_when_it_was_asked_to,
    a_release_costs_nothing,
    a_renewed_lease_lasts,
    a_suspect_runs_alone_and_is_given_up_in_the_end,
    only_known_listeners_are_claimed,
    limits_are_kept,
    ordered_runs_go_one_at_a_time,
    a_dead_head_is_skipped_or_blocks,
    a_redelivery_revives_the_dead,
    a_replay_begins_only_the_chosen_afresh,
    what_is_forgotten_is_gone,
    bodies_go_first_then_names,
    the_dead_and_the_pending_keep_their_bodies,
    full_is_full,
    everything_is_shown,
}

#[cfg(feature = "sqlite")]
fn sqlite_world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::turnable();
    let options = super::sqlite::SqliteOptions {
        path: folder.path().join("webhooks.db"),
        keep_done: DAY * 7,
        keep_body: DAY,
        keep_dead: DAY * 30,
        max_pending: MAX_PENDING,
        clock: clock.clone(),
        exclusive: true,
    };
    let (inbox, _) = super::sqlite::SqliteInbox::open(options).unwrap();
    World { inbox: Arc::new(inbox), clock, _keeps: Box::new(folder) }
}

#[cfg(feature = "postgres")]
async fn postgres_world() -> World {
    let server = support::postgres_server::PostgresServer::shared();
    let clock = Clock::turnable();
    let options = super::postgres::PostgresOptions {
        url: server.database().into(),
        max_connections: 4,
        keep_done: DAY * 7,
        keep_body: DAY,
        keep_dead: DAY * 30,
        max_pending: MAX_PENDING,
        clock: clock.clone(),
    };
    let (inbox, _) = super::postgres::PostgresInbox::open(options).await.unwrap();
    World { inbox: Arc::new(inbox), clock, _keeps: Box::new(server) }
}

fn source() -> SourceName {
    SourceName::new("stripe").unwrap()
}

fn entry(id: &str, runs: &[(&str, Option<u8>)]) -> NewEntry {
    NewEntry {
        key: Some(EventKey::new(&source(), &[id.as_bytes()])),
        id: Some(id.to_owned()),
        event_type: "paid".to_owned(),
        payload: Payload::Range { start: 1, length: 3 },
        retention: DAY,
        runs: runs
            .iter()
            .map(|(listener, order)| NewRun {
                listener: (*listener).into(),
                order_key: order.map(|it| [it; 16]),
            })
            .collect(),
    }
}

fn parcel(events: Vec<NewEntry>) -> Parcel {
    Parcel {
        source: source(),
        delivery_id: 7,
        received_at: SystemTime::now(),
        verified: Verified::by_secret(1).with_signed_at(SystemTime::UNIX_EPOCH + DAY),
        headers: b"[[\"a\",\"b\"]]".to_vec(),
        body: Bytes::from_static(b"[123]"),
        events,
    }
}

fn wanted(listeners: &[&str], limit: usize) -> Wanted {
    Wanted {
        listeners: listeners
            .iter()
            .map(|id| WantedListener { id: (*id).into(), limit: usize::MAX, dead_blocks: false })
            .collect(),
        limit,
        lease: LEASE,
        idle: true,
    }
}

impl World {
    async fn put(&self, id: &str, runs: &[(&str, Option<u8>)]) -> Put {
        self.inbox.put(parcel(vec![entry(id, runs)])).await.unwrap()[0]
    }

    async fn claim(&self, listeners: &[&str]) -> Claimed {
        self.inbox.claim(wanted(listeners, 50)).await.unwrap()
    }

    async fn ids(&self, listeners: &[&str]) -> Vec<String> {
        self.claim(listeners).await.runs.into_iter().filter_map(|run| run.event.id).collect()
    }

    async fn one(&self, listener: &str) -> ClaimedRun {
        let mut runs = self.claim(&[listener]).await.runs;
        assert_eq!(runs.len(), 1);
        runs.remove(0)
    }

    async fn end(&self, run: &ClaimedRun, end: End) -> bool {
        self.inbox.settle(run.fence, end).await.unwrap()
    }

    async fn sweep(&self) {
        while self.inbox.sweep().await.unwrap() {}
    }

    async fn body_bytes(&self) -> Option<u64> {
        let listed = self.inbox.list(Selection::new()).await.unwrap();
        self.inbox.show(listed[0].number).await.unwrap().unwrap().body_bytes
    }
}

fn failed() -> End {
    End::Dead { reason: DeadReason::Permanent, error: "no".to_owned() }
}

async fn an_event_is_put_down_once(world: &World) {
    assert_eq!(world.put("1", &[("a", None), ("b", None)]).await, Put::Stored);
    assert_eq!(world.put("1", &[("a", None), ("c", None)]).await, Put::Duplicate);
    assert_eq!(world.claim(&["a", "b", "c"]).await.runs.len(), 2);
}

async fn without_a_key_every_delivery_is_an_event(world: &World) {
    for _ in 0..2 {
        let nameless = NewEntry { key: None, id: None, ..entry("", &[("a", None)]) };
        assert_eq!(world.inbox.put(parcel(vec![nameless])).await.unwrap(), [Put::Stored]);
    }
    assert_eq!(world.claim(&["a"]).await.runs.len(), 2);
}

async fn a_batch_is_put_down_in_one_piece(world: &World) {
    world.put("2", &[("a", None)]).await;
    let batch = ["1", "2", "3", "1"].map(|id| entry(id, &[("a", None)])).into();
    let puts = world.inbox.put(parcel(batch)).await.unwrap();
    assert_eq!(puts, [Put::Stored, Put::Duplicate, Put::Stored, Put::Duplicate]);
    assert_eq!(world.ids(&["a"]).await, ["2", "1", "3"]);
}

async fn what_was_put_comes_back_byte_for_byte(world: &World) {
    let own = NewEntry { payload: Payload::Own(Bytes::from_static(b"{}")), ..entry("2", &[("a", None)]) };
    world.inbox.put(parcel(vec![entry("1", &[("a", None)]), own])).await.unwrap();
    let runs = world.claim(&["a"]).await.runs;
    let event = &runs[0].event;
    assert_eq!((&event.body[..], &event.payload[..]), (&b"[123]"[..], &b"123"[..]));
    assert_eq!(event.verified, parcel(Vec::new()).verified);
    assert_eq!((event.source.as_str(), &*event.event_type, event.delivery_id), ("stripe", "paid", 7));
    assert_eq!(event.headers, b"[[\"a\",\"b\"]]");
    assert_eq!(&runs[1].event.payload[..], b"{}");
}

async fn a_claimed_run_is_nobody_elses(world: &World) {
    world.put("1", &[("a", None)]).await;
    world.one("a").await;
    assert!(world.claim(&["a"]).await.runs.is_empty());
}

async fn a_claim_counts_the_attempt_and_fences_the_last(world: &World) {
    world.put("1", &[("a", None)]).await;
    let first = world.one("a").await;
    world.clock.advance(LEASE + Duration::from_secs(1));
    let second = world.one("a").await;
    assert_eq!((first.attempt, second.attempt), (1, 2));
    assert!(!world.end(&first, End::Done).await, "the first attempt was overtaken");
    assert!(!world.inbox.renew(first.fence, LEASE).await.unwrap());
    assert!(world.inbox.renew(second.fence, LEASE).await.unwrap());
    assert!(world.end(&second, End::Done).await);
    assert!(!world.end(&second, End::Done).await, "it is settled already");
}

async fn a_retry_falls_due_when_it_was_asked_to(world: &World) {
    world.put("1", &[("a", None)]).await;
    let run = world.one("a").await;
    assert!(world.end(&run, End::Retry { delay: DAY, error: "later".into() }).await);
    let claimed = world.claim(&["a"]).await;
    assert!(claimed.runs.is_empty());
    assert!(claimed.next_due.unwrap() > DAY / 2);
    world.clock.advance(DAY);
    assert_eq!(world.one("a").await.attempt, 2);
}

async fn a_release_costs_nothing(world: &World) {
    world.put("1", &[("a", None)]).await;
    for _ in 0..10 {
        let run = world.one("a").await;
        assert_eq!(run.attempt, 1);
        assert!(world.end(&run, End::Released).await);
    }
}

async fn a_renewed_lease_lasts(world: &World) {
    world.put("1", &[("a", None)]).await;
    let run = world.one("a").await;
    for _ in 0..5 {
        world.clock.advance(LEASE / 2);
        assert!(world.inbox.renew(run.fence, LEASE).await.unwrap());
        assert!(world.claim(&["a"]).await.runs.is_empty());
    }
}

async fn a_suspect_runs_alone_and_is_given_up_in_the_end(world: &World) {
    world.put("culprit", &[("a", None)]).await;
    world.one("a").await;
    world.put("innocent", &[("a", None)]).await;
    for attempt in 2..=3 {
        world.clock.advance(LEASE * 2);
        let busy = Wanted { idle: false, ..wanted(&["a"], 50) };
        let busy = world.inbox.claim(busy).await.unwrap();
        assert!(busy.suspect && busy.runs.is_empty(), "it waits until nothing else runs");
        let claimed = world.claim(&["a"]).await;
        assert!(claimed.suspect);
        let [run] = &claimed.runs[..] else { panic!("a suspect runs alone") };
        assert_eq!((run.event.id.as_deref(), run.attempt), (Some("culprit"), attempt));
    }
    world.clock.advance(LEASE * 2);
    let claimed = world.claim(&["a"]).await;
    assert_eq!(claimed.crash_looped[0].event_id.as_deref(), Some("culprit"));
    assert_eq!(claimed.runs[0].event.id.as_deref(), Some("innocent"));
    let dead = world.inbox.list(Selection::new().reason("crash_loop")).await.unwrap();
    assert_eq!(dead.len(), 1);
}

async fn only_known_listeners_are_claimed(world: &World) {
    world.put("1", &[("a", None), ("newer", None)]).await;
    assert_eq!(world.claim(&["a"]).await.runs.len(), 1);
    let counts = world.inbox.counts().await.unwrap();
    let newer = counts.iter().find(|it| it.listener == "newer").unwrap();
    assert_eq!((newer.pending, newer.dead), (1, 0));
    assert!(newer.oldest_pending.is_some());
    assert_eq!(world.claim(&["newer"]).await.runs.len(), 1);
}

async fn limits_are_kept(world: &World) {
    for id in 0..10 {
        world.put(&id.to_string(), &[("a", None), ("b", None)]).await;
    }
    let mut few = wanted(&["a", "b"], 5);
    few.listeners[0].limit = 2;
    let runs = world.inbox.claim(few).await.unwrap().runs;
    assert_eq!(runs.iter().filter(|run| run.listener == "a").count(), 2);
    assert_eq!(runs.len(), 5);
}

async fn ordered_runs_go_one_at_a_time(world: &World) {
    for (id, key) in [("1", 1), ("2", 1), ("3", 2)] {
        world.put(id, &[("a", Some(key)), ("unordered", None)]).await;
    }
    let first = world.claim(&["a"]).await.runs;
    assert_eq!(first.iter().filter_map(|run| run.event.id.as_deref()).collect::<Vec<_>>(), ["1", "3"]);
    assert_eq!(world.ids(&["unordered"]).await.len(), 3);
    world.end(&first[0], End::Retry { delay: DAY, error: String::new() }).await;
    world.end(&first[1], End::Done).await;
    assert!(world.ids(&["a"]).await.is_empty(), "the head waits, and so do those behind it");
    world.clock.advance(DAY);
    let head = world.one("a").await;
    assert_eq!(head.event.id.as_deref(), Some("1"));
    world.end(&head, End::Done).await;
    assert_eq!(world.ids(&["a"]).await, ["2"]);
}

async fn a_dead_head_is_skipped_or_blocks(world: &World) {
    for id in ["1", "2"] {
        world.put(id, &[("skips", Some(1)), ("blocks", Some(1))]).await;
    }
    for listener in ["skips", "blocks"] {
        let head = world.one(listener).await;
        world.end(&head, failed()).await;
    }
    assert_eq!(world.ids(&["skips"]).await, ["2"]);
    let blocking = || {
        let mut blocking = wanted(&["blocks"], 5);
        blocking.listeners[0].dead_blocks = true;
        blocking
    };
    assert!(world.inbox.claim(blocking()).await.unwrap().runs.is_empty());
    let dropped = Selection::new().listener("blocks").state(RunState::Dead);
    assert_eq!(world.inbox.forget(dropped).await.unwrap(), 1);
    assert_eq!(world.inbox.claim(blocking()).await.unwrap().runs.len(), 1);
}

async fn a_redelivery_revives_the_dead(world: &World) {
    world.put("1", &[("a", None), ("b", None)]).await;
    for run in world.claim(&["a", "b"]).await.runs {
        let end = if run.listener == "a" { End::Done } else { failed() };
        world.end(&run, end).await;
    }
    assert_eq!(world.put("1", &[("a", None), ("b", None)]).await, Put::Revived);
    let run = world.claim(&["a", "b"]).await.runs.remove(0);
    assert_eq!((&*run.listener, run.attempt, run.is_replay), ("b", 1, false));
    assert_eq!(world.put("1", &[("a", None), ("b", None)]).await, Put::Duplicate);
}

async fn a_replay_begins_only_the_chosen_afresh(world: &World) {
    world.put("1", &[("a", None), ("b", None)]).await;
    for run in world.claim(&["a", "b"]).await.runs {
        world.end(&run, failed()).await;
    }
    let chosen = Selection::new().listener("b").state(RunState::Dead);
    assert_eq!(world.inbox.replay(chosen.clone()).await.unwrap().runs, 1);
    let run = world.claim(&["a", "b"]).await.runs.remove(0);
    assert_eq!((&*run.listener, run.attempt, run.is_replay), ("b", 1, true));
    assert_eq!(
        world.inbox.replay(chosen.state(RunState::Pending)).await.unwrap().runs,
        0,
        "it runs just now"
    );
}

async fn what_is_forgotten_is_gone(world: &World) {
    world.put("1", &[("a", None), ("b", None)]).await;
    let run = world.one("a").await;
    assert_eq!(world.inbox.forget(Selection::new().listener("a")).await.unwrap(), 1);
    assert!(!world.end(&run, End::Done).await);
    assert_eq!(world.inbox.list(Selection::new()).await.unwrap().len(), 1);
    assert_eq!(world.inbox.forget(Selection::new()).await.unwrap(), 1);
    assert!(world.inbox.list(Selection::new()).await.unwrap().is_empty());
    assert_eq!(world.put("1", &[("a", None)]).await, Put::Stored);
}

async fn bodies_go_first_then_names(world: &World) {
    world.put("1", &[("a", None)]).await;
    let run = world.one("a").await;
    world.end(&run, End::Done).await;
    world.clock.advance(DAY - Duration::from_secs(1));
    world.sweep().await;
    assert_eq!(world.body_bytes().await, Some(5));
    world.clock.advance(Duration::from_secs(2));
    world.sweep().await;
    assert_eq!(world.body_bytes().await, None);
    assert_eq!(world.put("1", &[("a", None)]).await, Put::Duplicate, "its name is still known");
    let replayed = world.inbox.replay(Selection::new().state(RunState::Done)).await.unwrap();
    assert_eq!((replayed.runs, replayed.without_body), (0, 1));
    world.clock.advance(DAY * 6);
    world.sweep().await;
    assert!(world.inbox.list(Selection::new()).await.unwrap().is_empty());
}

async fn the_dead_and_the_pending_keep_their_bodies(world: &World) {
    world.put("1", &[("a", None), ("b", None)]).await;
    let run = world.one("a").await;
    world.end(&run, End::Done).await;
    world.clock.advance(DAY * 400);
    world.sweep().await;
    let run = world.one("b").await;
    assert_eq!(run.event.body.len(), 5);
    world.end(&run, failed()).await;
    world.clock.advance(DAY * 29);
    world.sweep().await;
    assert_eq!(world.body_bytes().await, Some(5));
    world.clock.advance(DAY * 2);
    world.sweep().await;
    assert!(world.inbox.list(Selection::new()).await.unwrap().is_empty());
}

async fn full_is_full(world: &World) {
    for id in 0..MAX_PENDING {
        world.put(&id.to_string(), &[("a", None)]).await;
    }
    let put = world.inbox.put(parcel(vec![entry("one more", &[("a", None)])])).await;
    assert!(matches!(put, Err(InboxError::Full)));
    let run = world.inbox.claim(wanted(&["a"], 1)).await.unwrap().runs.remove(0);
    world.end(&run, End::Done).await;
    assert_eq!(world.put("one more", &[("a", None)]).await, Put::Stored);
}

async fn everything_is_shown(world: &World) {
    world.put("1", &[("a", None)]).await;
    let run = world.one("a").await;
    world.end(&run, End::Retry { delay: Duration::ZERO, error: "first".into() }).await;
    let run = world.one("a").await;
    world.end(&run, End::Dead { reason: DeadReason::AttemptsExhausted, error: "second".into() }).await;
    let listed = world.inbox.list(Selection::new().event_id("1").reason("attempts_exhausted")).await.unwrap();
    assert_eq!((listed[0].pending, listed[0].done, listed[0].dead), (0, 0, 1));
    let shown = world.inbox.show(listed[0].number).await.unwrap().unwrap();
    let errors: Vec<_> = shown.runs[0].failures.iter().map(|it| &*it.error).collect();
    assert_eq!(errors, ["first", "second"]);
    assert_eq!(shown.runs[0].state, RunState::Dead);
    assert!(world.inbox.show(99).await.unwrap().is_none());
    for none in [Selection::new().source("github"), Selection::new().state(RunState::Done)] {
        assert!(world.inbox.list(none).await.unwrap().is_empty());
    }
}
