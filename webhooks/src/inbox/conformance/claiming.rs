//! Who may run what, and for how long.

use std::time::Duration;

use super::world::{DAY, LEASE, World, entry, failed, parcel, wanted};
use crate::inbox::record::Selection;
use crate::inbox::{End, Parcel, Put, Wanted, failure};
use crate::store::DeadReason;

pub(super) async fn a_claimed_run_is_nobody_elses(world: &World) {
    world.put("1", &[("a", None)]).await;
    world.one("a").await;
    assert!(world.claim(&["a"]).await.runs.is_empty());
}

pub(super) async fn a_claim_counts_the_attempt_and_fences_the_last(world: &World) {
    world.put("1", &[("a", None)]).await;
    let first = world.one("a").await;
    world.pass(LEASE + Duration::from_secs(1), LEASE).await;
    let second = world.one("a").await;
    assert_eq!((first.attempt, second.attempt), (1, 2));
    assert!(!world.end(&first, End::Done).await, "the first attempt was overtaken");
    assert!(!world.inbox.renew(first.fence, LEASE).await.unwrap());
    assert!(world.inbox.renew(second.fence, LEASE).await.unwrap());
    assert!(world.end(&second, End::Done).await);
    assert!(!world.end(&second, End::Done).await, "it is settled already");
}

pub(super) async fn of_many_listeners_those_with_runs_are_found(world: &World) {
    let names: Vec<_> = (0..300).map(|it| format!("listener {it}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    for (id, listener) in
        [("1", names[0]), ("2", names[7]), ("3", names[299]), ("4", "unknown"), ("5", names[7])]
    {
        world.put(id, &[(listener, None)]).await;
    }
    let later = world.one(names[0]).await;
    assert!(world.end(&later, End::Retry { delay: DAY, error: "later".into() }).await);

    let claimed = world.claim(&names).await;

    let mut found: Vec<_> = claimed.runs.iter().map(|it| it.listener.as_str()).collect();
    found.sort_unstable();
    assert_eq!(found, [names[299], names[7], names[7]]);
    assert!(claimed.next_due.is_some(), "one is tried again later");
    world.clock.advance(DAY);
    assert_eq!(world.one(names[0]).await.attempt, 2);
}

pub(super) async fn a_retry_falls_due_when_it_was_asked_to(world: &World) {
    world.put("1", &[("a", None)]).await;
    let run = world.one("a").await;
    assert!(world.end(&run, End::Retry { delay: DAY, error: "later".into() }).await);
    let claimed = world.claim(&["a"]).await;
    assert!(claimed.runs.is_empty());
    assert!(claimed.next_due.unwrap() > DAY / 2);
    world.clock.advance(DAY);
    assert_eq!(world.one("a").await.attempt, 2);
}

pub(super) async fn a_release_costs_nothing(world: &World) {
    world.put("1", &[("a", None)]).await;
    for _ in 0..10 {
        let run = world.one("a").await;
        assert_eq!(run.attempt, 1);
        assert!(world.end(&run, End::Released).await);
    }
}

pub(super) async fn a_renewed_lease_lasts(world: &World) {
    world.put("1", &[("a", None)]).await;
    let run = world.one("a").await;
    for _ in 0..5 {
        world.clock.advance(LEASE / 2);
        assert!(world.inbox.renew(run.fence, LEASE).await.unwrap());
        assert!(world.claim(&["a"]).await.runs.is_empty());
    }
}

pub(super) async fn a_suspect_runs_alone_and_is_given_up_in_the_end(world: &World) {
    world.put("culprit", &[("a", None)]).await;
    world.one("a").await;
    world.put("innocent", &[("a", None)]).await;
    for attempt in 2..=3 {
        world.pass(LEASE * 2, LEASE).await;
        let busy = Wanted { idle: false, ..wanted(&["a"], 50) };
        let busy = world.inbox.claim(busy).await.unwrap();
        assert!(busy.suspect && busy.runs.is_empty(), "it waits until nothing else runs");
        let claimed = world.claim(&["a"]).await;
        assert!(claimed.suspect);
        let [run] = &claimed.runs[..] else { panic!("a suspect runs alone") };
        assert_eq!((run.event.id.as_deref(), run.attempt), (Some("culprit"), attempt));
    }
    world.pass(LEASE * 2, LEASE).await;
    let claimed = world.claim(&["a"]).await;
    assert_eq!(claimed.given_up[0].event_id.as_deref(), Some("culprit"));
    assert_eq!(claimed.runs[0].event.id.as_deref(), Some("innocent"));
    let dead = world.inbox.list(Selection::new().reason(DeadReason::CrashLoop)).await.unwrap();
    assert_eq!(dead.len(), 1);
}

/// Of two suspects the one goes first whose attempts have come to nothing less often: the other is the likelier culprit.
pub(super) async fn the_likeliest_culprit_comes_last(world: &World) {
    world.put("culprit", &[("a", None)]).await;
    for _ in 0..2 {
        world.one("a").await;
        world.pass(LEASE * 2, LEASE).await;
    }
    world.put("innocent", &[("b", None)]).await;
    world.one("b").await;
    world.pass(LEASE * 2, LEASE).await;
    for id in ["innocent", "culprit"] {
        let claimed = world.claim(&["a", "b"]).await;
        assert!(claimed.suspect);
        assert_eq!(claimed.runs[0].event.id.as_deref(), Some(id));
        world.end(&claimed.runs[0], End::Done).await;
    }
}

pub(super) async fn a_released_suspect_is_one_still(world: &World) {
    world.put("1", &[("a", None)]).await;
    world.one("a").await;
    world.pass(LEASE * 2, LEASE).await;
    for _ in 0..3 {
        let claimed = world.claim(&["a"]).await;
        assert!(claimed.suspect);
        assert_eq!(claimed.runs[0].attempt, 2);
        assert!(world.end(&claimed.runs[0], End::Released).await);
    }
    let shown = world.latest().await;
    let errors: Vec<_> = shown.runs[0].failures.iter().map(|it| (it.attempt, &*it.error)).collect();
    assert_eq!(errors, [(1, failure::NEVER_ENDED)], "what was released did end");
    assert_eq!((shown.runs[0].attempts, shown.runs[0].is_under_way), (1, false));
}

pub(super) async fn an_attempt_that_never_ended_may_be_the_last(world: &World) {
    world.put("1", &[("a", None)]).await;
    let run = world.one("a").await;
    world.end(&run, End::Retry { delay: Duration::ZERO, error: "first".into() }).await;
    world.one("a").await;
    world.pass(LEASE * 2, LEASE).await;
    let mut twice = wanted(&["a"], 50);
    twice.listeners[0].max_attempts = 2;
    let claimed = world.inbox.claim(twice).await.unwrap();
    assert!(claimed.runs.is_empty());
    assert_eq!(
        (claimed.given_up[0].reason, claimed.given_up[0].attempts),
        (DeadReason::AttemptsExhausted, 2)
    );
    let dead = world.inbox.list(Selection::new().reason(DeadReason::AttemptsExhausted)).await.unwrap();
    let shown = world.inbox.show(dead[0].number).await.unwrap().unwrap();
    assert_eq!((shown.runs[0].failures.len(), shown.body_bytes), (2, Some(5)));
}

pub(super) async fn only_known_listeners_are_claimed(world: &World) {
    world.put("1", &[("a", None), ("newer", None)]).await;
    assert_eq!(world.claim(&["a"]).await.runs.len(), 1);
    let counts = world.inbox.counts().await.unwrap();
    let newer = counts.iter().find(|it| it.listener == "newer").unwrap();
    assert_eq!((newer.pending, newer.dead), (1, 0));
    assert!(newer.oldest_pending.is_some());
    assert_eq!(world.claim(&["newer"]).await.runs.len(), 1);
}

pub(super) async fn no_correction_of_the_time_postpones_what_waits_for_nothing(world: &World) {
    world.put("1", &[("a", None)]).await;
    world.clock.jump_wall(-3_600);
    let run = world.one("a").await;
    assert!(world.end(&run, End::Released).await);
    world.clock.jump_wall(-3_600);
    let released = world.one("a").await;
    assert!(world.end(&released, failed()).await);
    assert_eq!(world.inbox.replay(Selection::new()).await.unwrap().runs, 1);
    world.clock.jump_wall(-3_600);
    let replayed = world.one("a").await;
    assert!(world.end(&replayed, failed()).await);
    assert_eq!(world.put("1", &[("a", None)]).await, Put::Revived);
    world.clock.jump_wall(-3_600);
    world.one("a").await;
}

/// Neither those that are tried again wait for the others for ever, nor the other way round.
pub(super) async fn new_and_failed_runs_take_turns(world: &World) {
    let later = || End::Retry { delay: Duration::from_secs(1), error: String::new() };
    let next = async || world.inbox.claim(wanted(&["a"], 1)).await.unwrap().runs.remove(0);
    world.put("failed", &[("a", None)]).await;
    world.end(&next().await, later()).await;
    let mut ended = Vec::new();
    for number in 0..4 {
        world.clock.advance(Duration::from_secs(2));
        world.put(&number.to_string(), &[("a", None)]).await;
        let run = next().await;
        ended.extend(run.event.id.clone());
        world.end(&run, End::Done).await;
    }
    assert!(ended.iter().any(|id| id == "failed"), "{ended:?}");
    world.sweep().await;

    for number in 10..14 {
        world.put(&number.to_string(), &[("b", None)]).await;
    }
    for run in world.claim(&["b"]).await.runs {
        world.end(&run, later()).await;
    }
    world.put("new", &[("b", None)]).await;
    let mut seen = Vec::new();
    for _ in 0..8 {
        world.clock.advance(Duration::from_secs(2));
        let run = world.inbox.claim(wanted(&["b"], 1)).await.unwrap().runs.remove(0);
        seen.extend(run.event.id.clone());
        world.end(&run, later()).await;
    }
    assert!(seen.iter().any(|id| id == "new"), "{seen:?}");
}

pub(super) async fn limits_are_kept(world: &World) {
    for id in 0..10 {
        world.put(&id.to_string(), &[("a", None), ("b", None)]).await;
    }
    let mut few = wanted(&["a", "b"], 5);
    few.listeners[0].limit = 2;
    let runs = world.inbox.claim(few).await.unwrap().runs;
    assert_eq!(runs.iter().filter(|run| run.listener == "a").count(), 2);
    assert_eq!(runs.len(), 5);
}

pub(super) async fn an_event_that_cannot_be_read_holds_up_nobody(world: &World) {
    for id in ["renamed", "bare", "whole"] {
        world.put(id, &[("a", None)]).await;
    }
    world.damage(
        "UPDATE deliveries SET source = 'not the name of a source' WHERE id = 1;
         DELETE FROM deliveries WHERE id = 2",
    );
    let whole = world.claim(&["a"]).await.runs;
    assert_eq!(whole.iter().filter_map(|run| run.event.id.as_deref()).collect::<Vec<_>>(), ["whole"]);
    world.end(&whole[0], End::Done).await;
    world.put("later", &[("a", None)]).await;
    world.end(&world.one("a").await, End::Done).await;

    world.damage("UPDATE deliveries SET source = 'stripe' WHERE id = 1");
    assert!(world.claim(&["a"]).await.runs.is_empty(), "it is left alone for an hour");
    world.clock.advance(Duration::from_secs(3_601));
    let mended = world.one("a").await;
    assert_eq!((mended.event.id.as_deref(), mended.attempt), (Some("renamed"), 1));
    assert!(world.end(&mended, End::Done).await);
}

pub(super) async fn a_large_body_is_read_once_and_few_are_read_at_once(world: &World) {
    let large = |events: Vec<_>| Parcel { body: vec![b' '; 9 << 20].into(), ..parcel(events) };
    let batch = ["1", "2", "3"].map(|id| entry(id, &[("a", None)])).into();
    world.inbox.put(large(batch)).await.unwrap();
    for id in ["4", "5", "6"] {
        world.inbox.put(large(vec![entry(id, &[("a", None)])])).await.unwrap();
    }
    let claimed = world.claim(&["a"]).await;
    let of_batch: Vec<_> = claimed.runs.iter().take(3).map(|run| run.event.body.as_ptr()).collect();
    assert!(of_batch.iter().all(|it| *it == of_batch[0]), "they share one body");
    assert_eq!((claimed.runs.len(), claimed.next_due), (4, Some(Duration::ZERO)));
    let rest = world.claim(&["a"]).await.runs;
    let rest: Vec<_> = rest.iter().map(|run| (run.event.id.as_deref(), run.attempt)).collect();
    assert_eq!(rest, [(Some("5"), 1), (Some("6"), 1)]);
}
