//! What operators see and change.

use futures_util::future::join_all;

use super::world::{DAY, World, entry, failed, parcel};
use crate::inbox::record::{RunState, Selection};
use crate::inbox::{End, Parcel, Put};
use crate::store::DeadReason;

pub(super) async fn a_replay_begins_only_the_chosen_afresh(world: &World) {
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

pub(super) async fn events_are_chosen_by_the_time_they_arrived(world: &World) {
    let began = world.clock.wall();
    for day in 0..4 {
        let at = began + DAY * day;
        let parcel = Parcel { received_at: at, ..parcel(vec![entry(&day.to_string(), &[("a", None)])]) };
        world.inbox.put(parcel).await.unwrap();
    }
    for run in world.claim(&["a"]).await.runs {
        world.end(&run, failed()).await;
    }
    let between = || Selection::new().after(began + DAY).before(began + DAY * 3);
    let listed = world.inbox.list(between()).await.unwrap();
    let ids: Vec<_> = listed.iter().filter_map(|event| event.event_id.as_deref()).collect();
    assert_eq!(ids, ["2", "1"], "the latest first, the end not included");
    assert_eq!(world.inbox.replay(between()).await.unwrap().runs, 2);
    assert_eq!(world.ids(&["a"]).await, ["1", "2"]);
    assert_eq!(world.inbox.discard(Selection::new().before(began + DAY)).await.unwrap(), 1);
}

/// More than any engine changes in one piece.
pub(super) async fn many_are_changed_at_once(world: &World) {
    const MANY: usize = 600;
    let listeners: Vec<String> = (0..60).map(|number| format!("l{number}")).collect();
    let runs: Vec<_> = listeners.iter().map(|it| (&**it, None)).collect();
    let names: Vec<_> = listeners.iter().map(|it| &**it).collect();
    for event in 0..MANY / listeners.len() {
        world.put(&event.to_string(), &runs).await;
        while let claimed @ [_, ..] = &world.claim(&names).await.runs[..] {
            join_all(claimed.iter().map(|run| world.end(run, failed()))).await;
        }
    }
    assert_eq!(world.inbox.replay(Selection::new().limit(3)).await.unwrap().runs, 3);
    let dead = Selection::new().state(RunState::Dead);
    assert_eq!(world.inbox.replay(dead.clone()).await.unwrap().runs, MANY as u64 - 3);
    assert_eq!(world.inbox.replay(dead).await.unwrap().runs, 0);
    assert_eq!(world.inbox.discard(Selection::new().limit(3)).await.unwrap(), 3);
    assert_eq!(world.inbox.discard(Selection::new()).await.unwrap(), MANY as u64 - 3);
    assert!(world.inbox.list(Selection::new()).await.unwrap().is_empty());
    assert!(world.inbox.counts().await.unwrap().is_empty());
}

pub(super) async fn what_is_replayed_is_kept_until_it_has_run(world: &World) {
    for id in ["1", "2", "3"] {
        world.put(id, &[("a", None), ("b", None), ("c", None)]).await;
    }
    for run in world.claim(&["a", "b", "c"]).await.runs {
        world.end(&run, failed()).await;
    }
    world.inbox.replay(Selection::new().listener("b")).await.unwrap();
    assert!(!world.inbox.forget_event(entry("2", &[]).key).await.unwrap(), "a run of it is pending");
    world.clock.advance(DAY * 400);
    world.sweep().await;
    assert_eq!(world.ids(&["b"]).await, ["1", "2", "3"]);
}

pub(super) async fn what_is_forgotten_is_gone(world: &World) {
    world.put("1", &[("a", None), ("b", None)]).await;
    let run = world.one("a").await;
    assert_eq!(world.inbox.discard(Selection::new().listener("a")).await.unwrap(), 1);
    assert!(!world.end(&run, End::Done).await);
    assert_eq!(world.inbox.list(Selection::new()).await.unwrap().len(), 1);
    assert_eq!(world.inbox.discard(Selection::new()).await.unwrap(), 1);
    assert!(world.inbox.list(Selection::new()).await.unwrap().is_empty());
    assert_eq!(world.put("1", &[("a", None)]).await, Put::Stored);
}

pub(super) async fn an_event_is_forgotten_once_it_is_through(world: &World) {
    let forget = async |id: &str| {
        let key = entry(id, &[]).key;
        world.inbox.forget_event(key).await.unwrap()
    };
    world.put("1", &[("a", None), ("b", None)]).await;
    assert!(!forget("unknown").await);
    assert!(!forget("1").await, "two runs are pending");
    let runs = world.claim(&["a", "b"]).await.runs;
    world.put("2", &[("a", None)]).await;
    for run in runs {
        assert!(!forget("1").await, "one still runs");
        world.end(&run, if run.listener == "a" { End::Done } else { failed() }).await;
    }
    assert!(forget("1").await);
    assert!(!forget("1").await);
    assert_eq!(world.put("1", &[("a", None)]).await, Put::Stored);
    assert_eq!(world.put("2", &[("a", None)]).await, Put::Duplicate);
}

pub(super) async fn everything_is_shown(world: &World) {
    world.put("1", &[("a", None)]).await;
    let run = world.one("a").await;
    let shown = world.latest().await;
    assert_eq!((shown.runs[0].attempts, shown.runs[0].is_under_way, shown.runs[0].due_at), (1, true, None));
    world.end(&run, End::Retry { delay: DAY, error: "first".into() }).await;
    let shown = world.latest().await;
    assert_eq!((shown.runs[0].attempts, shown.runs[0].is_under_way), (1, false));
    assert!(shown.runs[0].due_at.unwrap() > world.clock.wall() + DAY / 2);
    world.clock.advance(DAY);
    let run = world.one("a").await;
    world.end(&run, End::Dead { reason: DeadReason::AttemptsExhausted, error: "second".into() }).await;
    let listed =
        world.inbox.list(Selection::new().event_id("1").reason(DeadReason::AttemptsExhausted)).await.unwrap();
    assert_eq!((listed[0].pending, listed[0].done, listed[0].dead), (0, 0, 1));
    let shown = world.inbox.show(listed[0].number).await.unwrap().unwrap();
    let errors: Vec<_> = shown.runs[0].failures.iter().map(|it| &*it.error).collect();
    assert_eq!(errors, ["first", "second"]);
    assert_eq!(shown.runs[0].attempts, 2);
    assert_eq!(shown.runs[0].state, RunState::Dead);
    assert!(world.inbox.show(99).await.unwrap().is_none());
    for none in [Selection::new().source("github"), Selection::new().state(RunState::Done)] {
        assert!(world.inbox.list(none).await.unwrap().is_empty());
    }
}
