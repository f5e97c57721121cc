//! What is put down.

use bytes::Bytes;

use super::world::{DAY, MAX_PENDING, World, entry, failed, parcel, wanted, with_token};
use crate::inbox::record::Selection;
use crate::inbox::{End, InboxError, NewEntry, Payload, Put};

pub(super) async fn an_event_is_put_down_once(world: &World) {
    assert_eq!(world.put("1", &[("a", None), ("b", None)]).await, Put::Stored);
    assert_eq!(world.put("1", &[("a", None), ("c", None)]).await, Put::Duplicate);
    assert_eq!(world.claim(&["a", "b", "c"]).await.runs.len(), 2);
}

pub(super) async fn a_batch_is_put_down_in_one_piece(world: &World) {
    world.put("2", &[("a", None)]).await;
    let batch = ["1", "2", "3", "1"].map(|id| entry(id, &[("a", None)])).into();
    let puts = world.inbox.put(parcel(batch)).await.unwrap();
    assert_eq!(puts, [Put::Stored, Put::Duplicate, Put::Stored, Put::Duplicate]);
    assert_eq!(world.ids(&["a"]).await, ["2", "1", "3"]);
}

pub(super) async fn what_was_put_comes_back_byte_for_byte(world: &World) {
    let own = NewEntry { payload: Payload::Own(Bytes::from_static(b"{}")), ..entry("2", &[("a", None)]) };
    world.inbox.put(parcel(vec![entry("1", &[("a", None)]), own])).await.unwrap();
    let runs = world.claim(&["a"]).await.runs;
    let event = &runs[0].event;
    assert_eq!((&event.body[..], &event.payload[..]), (&b"[123]"[..], &b"123"[..]));
    assert_eq!(event.verified, parcel(Vec::new()).verified);
    assert_eq!((event.source.as_str(), &*event.event_type, event.delivery_id), ("stripe", "paid", 7));
    assert_eq!(event.key, Some(entry("1", &[]).key));
    assert_eq!(event.headers, b"[[\"a\",\"b\"]]");
    assert_eq!(&runs[1].event.payload[..], b"{}");
}

pub(super) async fn a_redelivery_revives_the_dead(world: &World) {
    world.put("1", &[("a", None), ("b", None)]).await;
    for run in world.claim(&["a", "b"]).await.runs {
        let end = if run.listener == "a" { End::Done } else { failed() };
        world.end(&run, end).await;
    }
    assert_eq!(world.put("1", &[("a", None), ("b", None)]).await, Put::Revived);
    let run = world.claim(&["a", "b"]).await.runs.remove(0);
    assert_eq!((&*run.listener, run.attempt, run.is_replay), ("b", 1, false));
    assert_eq!(world.put("1", &[("a", None), ("b", None)]).await, Put::Duplicate);
    world.end(&run, failed()).await;
    world.inbox.replay(Selection::new().listener("b")).await.unwrap();
    let replayed = world.one("b").await;
    assert!(replayed.is_replay);
    world.end(&replayed, failed()).await;
    assert_eq!(world.put("1", &[("a", None), ("b", None)]).await, Put::Revived);
    assert!(!world.one("b").await.is_replay, "this time it is the provider who sent it again");
}

pub(super) async fn a_token_is_good_for_one_body(world: &World) {
    let put = |token: &str, body: &str, id: &str| {
        let parcel = with_token(token, body, vec![entry(id, &[("a", None)])]);
        async { world.inbox.put(parcel).await }
    };
    assert_eq!(put("t", "first", "1").await.unwrap(), [Put::Stored]);
    assert_eq!(put("t", "first", "1").await.unwrap(), [Put::Duplicate]);
    assert!(matches!(put("t", "second", "2").await, Err(InboxError::TokenReused)));
    assert_eq!(world.ids(&["a"]).await, ["1"], "nothing of the other was put down");
    assert_eq!(put("u", "second", "2").await.unwrap(), [Put::Stored]);
}

pub(super) async fn a_token_is_remembered_without_an_event(world: &World) {
    let nobody_listens = || world.inbox.put(with_token("t", "first", Vec::new()));
    assert!(nobody_listens().await.unwrap().is_empty());
    assert!(nobody_listens().await.unwrap().is_empty());
    let heard = || world.inbox.put(with_token("t", "second", vec![entry("1", &[("a", None)])]));
    assert!(matches!(heard().await, Err(InboxError::TokenReused)));
    assert!(world.inbox.list(Selection::new()).await.unwrap().is_empty());
    world.clock.advance(DAY * 2);
    world.sweep().await;
    assert_eq!(heard().await.unwrap(), [Put::Stored], "it is forgotten");
}

pub(super) async fn what_does_not_fit_spends_no_token(world: &World) {
    let events = |count: u64| (0..count).map(|id| entry(&id.to_string(), &[("a", None)])).collect();
    let full = world.inbox.put(with_token("t", "first", events(MAX_PENDING + 1))).await;
    assert!(matches!(full, Err(InboxError::Full)));
    assert_eq!(world.inbox.put(with_token("t", "second", events(1))).await.unwrap(), [Put::Stored]);
}

pub(super) async fn full_is_full(world: &World) {
    for id in 0..MAX_PENDING {
        world.put(&id.to_string(), &[("a", None)]).await;
    }
    let put = world.inbox.put(parcel(vec![entry("one more", &[("a", None)])])).await;
    assert!(matches!(put, Err(InboxError::Full)));
    assert_eq!(world.put("0", &[("a", None)]).await, Put::Duplicate, "it needs no room");
    let both = ["0", "one more"].map(|id| entry(id, &[("a", None)])).into();
    assert!(matches!(world.inbox.put(parcel(both)).await, Err(InboxError::Full)), "all or nothing");
    let run = world.inbox.claim(wanted(&["a"], 1)).await.unwrap().runs.remove(0);
    world.end(&run, End::Done).await;
    assert_eq!(world.put("one more", &[("a", None)]).await, Put::Stored);
}
