//! Runs that share an order key.

use std::time::Duration;

use super::world::{DAY, LEASE, World, entry, failed, parcel};
use crate::inbox::record::{RunState, Selection};
use crate::inbox::{End, Put};

pub(super) async fn ordered_runs_go_one_at_a_time(world: &World) {
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

pub(super) async fn a_dead_head_is_skipped_or_blocks(world: &World) {
    for id in ["1", "2"] {
        world.put(id, &[("skips", Some(1)), ("blocks", Some(1))]).await;
    }
    for listener in ["skips", "blocks"] {
        let head = world.one(listener).await;
        world.end(&head, failed()).await;
    }
    assert_eq!(world.ids(&["skips"]).await, ["2"]);
    assert!(world.blocking("blocks").await.runs.is_empty());
    let dropped = Selection::new().listener("blocks").state(RunState::Dead);
    assert_eq!(world.inbox.discard(dropped).await.unwrap(), 1);
    assert_eq!(world.blocking("blocks").await.runs.len(), 1);
}

pub(super) async fn a_replayed_head_waits_for_the_one_that_runs(world: &World) {
    for id in ["1", "2", "3"] {
        world.put(id, &[("a", Some(1))]).await;
    }
    let head = world.one("a").await;
    world.end(&head, failed()).await;
    let second = world.one("a").await;
    assert_eq!(second.event.id.as_deref(), Some("2"));
    world.inbox.replay(Selection::new().state(RunState::Dead)).await.unwrap();
    assert!(world.ids(&["a"]).await.is_empty(), "two of one key would run at once");
    world.end(&second, End::Retry { delay: Duration::ZERO, error: String::new() }).await;
    let head = world.one("a").await;
    assert_eq!(head.event.id.as_deref(), Some("1"), "it is in front again");
    world.end(&head, End::Released).await;
    let head = world.one("a").await;
    assert_eq!(head.event.id.as_deref(), Some("1"));
    world.end(&head, End::Done).await;
    world.clock.advance(Duration::from_secs(1));
    for next in ["2", "3"] {
        let run = world.one("a").await;
        assert_eq!(run.event.id.as_deref(), Some(next));
        world.end(&run, End::Done).await;
    }
}

/// One whose process died goes on before the head that was revived meanwhile: it may be under way somewhere.
pub(super) async fn a_suspect_keeps_its_place(world: &World) {
    for id in ["1", "2"] {
        world.put(id, &[("a", Some(1))]).await;
    }
    let head = world.one("a").await;
    world.end(&head, failed()).await;
    world.one("a").await;
    assert_eq!(world.put("1", &[("a", Some(1))]).await, Put::Revived);
    assert!(world.ids(&["a"]).await.is_empty());
    world.pass(LEASE * 2, LEASE).await;
    let claimed = world.claim(&["a"]).await;
    assert!(claimed.suspect);
    assert_eq!(claimed.runs[0].event.id.as_deref(), Some("2"));
    world.end(&claimed.runs[0], End::Done).await;
    assert_eq!(world.ids(&["a"]).await, ["1"]);
}

pub(super) async fn the_events_of_a_batch_are_in_order(world: &World) {
    let batch = ["1", "2", "3"].map(|id| entry(id, &[("a", Some(1))])).into();
    world.inbox.put(parcel(batch)).await.unwrap();
    for id in ["1", "2", "3"] {
        let run = world.one("a").await;
        assert_eq!(run.event.id.as_deref(), Some(id));
        world.end(&run, End::Done).await;
    }
}

pub(super) async fn whoever_is_behind_what_is_gone_goes_on(world: &World) {
    for id in ["1", "2", "3"] {
        world.put(id, &[("a", Some(1))]).await;
    }
    assert_eq!(world.inbox.discard(Selection::new().event_id("1")).await.unwrap(), 1);
    let head = world.blocking("a").await.runs.remove(0);
    assert_eq!(head.event.id.as_deref(), Some("2"));
    world.end(&head, failed()).await;
    assert!(world.blocking("a").await.runs.is_empty());
    world.clock.advance(DAY * 31);
    world.sweep().await;
    let next = world.blocking("a").await.runs.remove(0);
    assert_eq!(next.event.id.as_deref(), Some("3"), "what is dead is kept no longer than that");
}
