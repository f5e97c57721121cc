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

pub(super) async fn the_dead_are_known_for_as_long_as_they_may_come_again(world: &World) {
    let remembered = NewEntry { retention: DAY * 60, ..entry("1", &[("a", None)]) };
    world.inbox.put(parcel(vec![remembered])).await.unwrap();
    let run = world.one("a").await;
    world.end(&run, failed()).await;
    world.clock.advance(DAY * 59);
    world.sweep().await;
    assert_eq!(world.put("1", &[("a", None)]).await, Put::Revived);
}
