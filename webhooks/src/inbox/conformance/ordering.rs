//! Runs that share an order key.

use super::world::{DAY, World, failed, wanted};
use crate::inbox::End;
use crate::inbox::record::{RunState, Selection};

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
