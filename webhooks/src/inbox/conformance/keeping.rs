//! How long things are kept.

use std::time::Duration;

use super::world::{DAY, World, entry, failed, parcel};
use crate::inbox::record::{RunState, Selection};
use crate::inbox::{End, NewEntry, Put};

pub(super) async fn bodies_go_first_then_names(world: &World) {
    world.put("1", &[("a", None)]).await;
    let run = world.one("a").await;
    world.end(&run, End::Done).await;
    world.clock.advance(DAY - Duration::from_secs(1));
    world.sweep().await;
    assert_eq!(world.latest().await.body_bytes, Some(5));
    world.clock.advance(Duration::from_secs(2));
    world.sweep().await;
    assert_eq!(world.latest().await.body_bytes, None);
    assert_eq!(world.put("1", &[("a", None)]).await, Put::Duplicate, "its name is still known");
    let replayed = world.inbox.replay(Selection::new().state(RunState::Done)).await.unwrap();
    assert_eq!((replayed.runs, replayed.without_body), (0, 1));
    world.clock.advance(DAY * 6);
    world.sweep().await;
    assert!(world.inbox.list(Selection::new()).await.unwrap().is_empty());
}

pub(super) async fn the_dead_and_the_pending_keep_their_bodies(world: &World) {
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
    assert_eq!(world.latest().await.body_bytes, Some(5));
    world.clock.advance(DAY * 2);
    world.sweep().await;
    assert!(world.inbox.list(Selection::new()).await.unwrap().is_empty());
}

/// Of a batch, one is done and the other dead: the body is there for the dead one alone, in whatever way that goes.
pub(super) async fn a_body_goes_with_the_last_that_needs_it(world: &World) {
    for way in ["dropped", "forgotten", "aged"] {
        let (done, dead) = (format!("done, {way}"), format!("dead, {way}"));
        let remembered = NewEntry { retention: DAY * 60, ..entry(&done, &[("a", None)]) };
        world.inbox.put(parcel(vec![remembered, entry(&dead, &[("b", None)])])).await.unwrap();
        world.end(&world.one("a").await, End::Done).await;
        world.end(&world.one("b").await, failed()).await;
        world.clock.advance(DAY * 2);
        world.sweep().await;
        let of_done = world.inbox.list(Selection::new().event_id(done)).await.unwrap().remove(0).number;
        let body_bytes = async || world.inbox.show(of_done).await.unwrap().unwrap().body_bytes;
        assert_eq!(body_bytes().await, Some(5), "the dead one has it");
        match way {
            "dropped" => {
                assert_eq!(world.inbox.discard(Selection::new().event_id(dead)).await.unwrap(), 1);
            }
            "forgotten" => {
                assert!(world.inbox.forget_event(entry(&dead, &[]).key).await.unwrap());
            }
            _ => {
                world.clock.advance(DAY * 30);
                world.sweep().await;
            }
        }
        assert_eq!(body_bytes().await, None, "{way}");
    }
}

pub(super) async fn the_dead_are_known_for_as_long_as_they_may_come_again(world: &World) {
    let remembered = NewEntry { retention: DAY * 60, ..entry("1", &[("a", None)]) };
    world.inbox.put(parcel(vec![remembered])).await.unwrap();
    let run = world.one("a").await;
    world.end(&run, failed()).await;
    world.clock.advance(DAY * 59);
    world.sweep().await;
    assert_eq!(world.put("1", &[("a", None)]).await, Put::Revived);
}
