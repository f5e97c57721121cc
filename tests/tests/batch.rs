//! Deliveries that carry several events, of a provider of the user's own.

use serde_json::json;
use support::inside::{Inside, Post, refusal};
use support::sign;
use webhooks::{Builder, Failure, Settings, WebhookEvent, Webhooks};

const PROVIDER: &str = r#"
    [sources.crm]
    secret = "topsecret"

    [sources.crm.scheme.signature]
    header = "X-Signature"
    prefix = "sha256="
    algorithm = "hmac-sha256"

    [sources.crm.scheme.identity]
    batch = "$.events"
    id = ["@.id", "$.delivery"]
    type = "@.type"
    payload = "@.data"
"#;

fn crm() -> Builder {
    Webhooks::builder().settings(PROVIDER.parse::<Settings>().expect("TOML"))
}

fn whole() -> Builder {
    crm().source("crm", |source| source.batch(false))
}

/// A signed delivery of these events, each an object.
fn of(events: serde_json::Value) -> Post {
    signed(&json!({ "delivery": "d1", "events": events }).to_string())
}

fn signed(body: &str) -> Post {
    Post::to("crm").headers(sign::hmac("topsecret", "unread", body.as_bytes())).body(body)
}

fn event(id: &str) -> serde_json::Value {
    json!({"id": id, "type": "contact.created", "data": {"of": id}})
}

/// Answers by what stands in the event's payload.
fn obey(event: &WebhookEvent) -> webhooks::Result {
    let payload: serde_json::Value = serde_json::from_slice(event.payload())?;
    let first = event.attempt() == 1;
    match payload["answer"].as_str() {
        Some("fail once") if first => Err("not yet".into()),
        Some("later") if first => Err(Failure::retry_after(std::time::Duration::from_secs(60), "later")),
        Some("dead") => Err(Failure::permanent("never")),
        _ => Ok(()),
    }
}

fn answering(id: &str, answer: &str) -> serde_json::Value {
    json!({"id": id, "type": "contact.created", "data": {"answer": answer}})
}

fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort();
    texts
}

// ---- parts -----------------------------------------------------------------------------------------

#[tokio::test]
async fn each_part_is_an_event() {
    let inside = Inside::with(crm()).await;
    let post = of(json!([
        {"id": "a", "type": "contact.created", "data": {"name": "Ada"}},
        {"id": 2, "type": "contact.deleted", "data": [1, 2]},
    ]));

    assert_eq!(inside.send(post.clone()).await.status, 200);

    let mut heard = inside.heard();
    heard.sort_by_key(|event| event.event_type().to_owned());
    let facts: Vec<_> =
        heard.iter().map(|it| (it.id().unwrap_or("-"), it.event_type(), it.payload().to_vec())).collect();
    let expected = [
        ("a", "contact.created", br#"{"name":"Ada"}"#.to_vec()),
        ("2", "contact.deleted", b"[1,2]".to_vec()),
    ];
    assert_eq!(facts, expected);
    assert_eq!(heard[0].body(), &post.into_request().into_body(), "the body is the whole delivery's");
    assert_eq!(heard[0].delivery_id(), heard[1].delivery_id());
}

#[tokio::test]
async fn batch_overlap() {
    let inside = Inside::with(crm()).await;

    assert_eq!(inside.send(of(json!([event("a"), event("b")]))).await.status, 200);
    assert_eq!(inside.send(of(json!([event("b"), event("c")]))).await.status, 200);

    assert_eq!(sorted(inside.heard_ids()), ["a", "b", "c"]);
}

#[tokio::test]
async fn batch_with_the_same_part_twice_runs_it_once() {
    let inside = Inside::with(crm()).await;
    assert_eq!(inside.send(of(json!([event("a"), event("a")]))).await.status, 200);
    assert_eq!(inside.heard_ids(), ["a"]);
}

#[tokio::test]
async fn the_worst_part_answers_and_a_redelivery_runs_only_what_was_not_done() {
    let inside = Inside::answering(crm(), obey).await;
    let post = of(json!([event("done"), answering("failed", "fail once"), answering("dead", "dead")]));

    assert_eq!(inside.send(post.clone()).await.status, 500);
    assert_eq!(sorted(inside.heard_ids()), ["dead", "done", "failed"]);

    assert_eq!(inside.send(post).await.status, 200);
    let again = inside.heard_ids().split_off(3);
    // A redelivery of what is dead is granted: after a 200 it is almost always a human.
    assert_eq!(sorted(again), ["dead", "failed"]);
}

#[tokio::test]
async fn a_retry_at_any_time_is_worse_than_one_with_a_time() {
    let inside = Inside::answering(crm(), obey).await;
    let later = inside.send(of(json!([event("a"), answering("b", "later")]))).await;
    assert_eq!(
        (later.status.as_u16(), &later.headers["retry-after"]),
        (503, &"60".parse().expect("a value"))
    );
    let both = inside.send(of(json!([answering("c", "later"), answering("d", "fail once")]))).await;
    assert_eq!(both.status, 500);
}

#[tokio::test]
async fn a_dead_part_does_not_ask_for_a_redelivery() {
    let inside = Inside::answering(crm(), obey).await;
    assert_eq!(inside.send(of(json!([event("a"), answering("b", "dead")]))).await.status, 200);
}

#[tokio::test]
async fn many_parts() {
    let inside = Inside::with(crm()).await;
    let events: Vec<_> = (0..500).map(|index| event(&format!("{index:03}"))).collect();

    assert_eq!(inside.send(of(json!(events))).await.status, 200);

    let ids: Vec<_> = (0..500).map(|index| format!("{index:03}")).collect();
    assert_eq!(sorted(inside.heard_ids()), ids);
}

// ---- none, and strange ones ----------------------------------------------------------------------------

#[tokio::test]
async fn an_empty_batch_is_200() {
    let inside = Inside::with(crm()).await;
    let reply = inside.send(of(json!([]))).await;
    assert_eq!((reply.status.as_u16(), reply.body.len()), (200, 0));
    assert!(inside.heard().is_empty());
}

#[tokio::test]
async fn what_is_no_list_is_400() {
    let inside = Inside::with(crm()).await;
    for body in [r#"{"events":{}}"#, r#"{"events":"a"}"#, r#"{"events":null}"#, "{}"] {
        let reply = inside.send(signed(body)).await;
        assert_eq!(refusal(&reply), "400 batch_missing", "{body}");
    }
}

#[tokio::test]
async fn one_part_that_is_not_understood_stops_all_before_any_runs() {
    let inside = Inside::with(crm()).await;
    let reply = inside.send(of(json!([event("a"), {"id": "b", "data": {}}]))).await;
    assert_eq!(refusal(&reply), "400 type_missing");
    assert!(inside.heard().is_empty());
}

#[tokio::test]
async fn a_part_without_an_id_has_the_deliverys_and_its_position() {
    let inside = Inside::with(crm()).await;
    let nameless = json!({"type": "contact.created", "data": {}});
    let post = of(json!([nameless, nameless]));

    inside.send(post.clone()).await;
    inside.send(post).await;

    assert_eq!(sorted(inside.heard_ids()), ["d1#0", "d1#1"]);
}

#[tokio::test]
async fn a_part_without_any_id_has_its_digest_and_its_position() {
    let inside = Inside::with(crm()).await;
    let post = signed(r#"{"events":[{"type":"a","data":1},{"type":"a","data":1},{"type":"a","data":2}]}"#);

    inside.send(post.clone()).await;
    inside.send(post).await;

    let mut ids = inside.heard_ids();
    ids.dedup();
    assert_eq!(ids.len(), 3, "each once, the equal ones too: {ids:?}");
}

// ---- batch = false -------------------------------------------------------------------------------------

#[tokio::test]
async fn batch_false_is_one_event() {
    let inside = Inside::with(whole()).await;
    let post = of(json!([event("a"), event("b")]));

    inside.send(post.clone()).await;
    inside.send(post.clone()).await;

    let heard = inside.heard();
    assert_eq!(heard.len(), 1);
    assert_eq!((heard[0].id(), heard[0].event_type()), (Some("d1"), "batch"));
    assert_eq!(heard[0].payload(), &post.into_request().into_body());
}

#[tokio::test]
async fn batch_false_without_an_id_is_refused() {
    let inside = Inside::with(whole()).await;
    let reply = inside.send(signed(r#"{"events":[]}"#)).await;
    assert_eq!(refusal(&reply), "400 id_missing");
}
