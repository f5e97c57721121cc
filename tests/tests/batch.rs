//! Deliveries that carry several events, of a provider of the user's own.

use serde_json::json;
use support::inside::{Inside, Post, refusal};
use support::log::Log;
use support::sign;
use tokio::sync::mpsc;
use webhooks::{
    Builder, Delivery, Failure, Settings, SourceName, WebhookEvent, WebhookEventListener, Webhooks,
};

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

// ---- ids that are not signed ---------------------------------------------------------------------------

/// A provider whose deliveries have an unsigned id, and their events perhaps one of their own.
fn generic() -> Builder {
    let settings = r#"
        sources.hmac.secret = "topsecret"
        sources.hmac.scheme.identity = { batch = "$.events", id = "@.id", type = "@.type" }
    "#;
    Webhooks::builder().settings(settings.parse::<Settings>().expect("TOML"))
}

fn delivered(id: &str, events: serde_json::Value) -> Post {
    let body = json!({ "events": events }).to_string();
    Post::to("hmac").headers(sign::hmac("topsecret", id, body.as_bytes())).body(body)
}

#[tokio::test]
async fn an_unsigned_part_is_known_again_in_other_company() {
    let inside = Inside::with(generic()).await;

    inside.send(delivered("d1", json!([event("a"), event("b")]))).await;
    inside.send(delivered("d2", json!([event("b"), event("c")]))).await;

    assert_eq!(sorted(inside.heard_ids()), ["a", "b", "c"]);
    assert_eq!(inside.report("hmac").replay_suspected, 0);
}

#[tokio::test]
async fn a_captured_batch_does_not_take_the_place_of_a_genuine_one() {
    let inside = Inside::with(generic()).await;
    let nameless = |data: &str| json!([{"type": "a", "data": data}, {"type": "b", "data": data}]);

    inside.send(delivered("d1", nameless("captured"))).await;
    inside.send(delivered("d2", nameless("captured"))).await;
    assert_eq!(inside.report("hmac").replay_suspected, 1, "one delivery, one suspicion");
    inside.send(delivered("d2", nameless("genuine"))).await;

    assert_eq!(sorted(inside.heard_ids()), ["d1#0", "d1#1", "d2#0", "d2#0", "d2#1", "d2#1"]);
    assert_eq!(inside.report("hmac").replay_suspected, 1);
}

#[tokio::test]
async fn an_unsigned_part_is_forgotten_by_the_body_that_it_came_in() {
    let inside = Inside::with(generic()).await;
    let post = delivered("d1", json!([event("a"), event("b")]));
    inside.send(post.clone()).await;

    let (handle, body) = (inside.webhooks.handle(), post.clone().into_request().into_body());
    assert!(handle.processor().forget("hmac", "a", &body).await.expect("a store in memory"));
    assert!(!handle.processor().forget("hmac", "a", &body).await.expect("a store in memory"));
    inside.send(post).await;

    assert_eq!(sorted(inside.heard_ids()), ["a", "a", "b"]);
}

/// Okta sends the secret along and signs nothing: there is no content that could tell two events apart.
#[tokio::test]
async fn parts_that_nothing_signs_are_told_apart_by_their_ids() {
    let inside = Inside::with(Webhooks::builder().source("okta", |it| it.secret("a shared word"))).await;
    let log = Log::capture();
    let of = |company: &str, ids: &[&str]| {
        let events: Vec<_> =
            ids.iter().map(|id| json!({"uuid": id, "eventType": "user.lifecycle.create"})).collect();
        let body = json!({"eventId": company, "data": {"events": events}}).to_string();
        Post::to("okta").header("Authorization", "a shared word").body(body)
    };

    assert_eq!(inside.send(of("1", &["a", "b", "c"])).await.status, 200);
    assert_eq!(inside.send(of("2", &["c", "d"])).await.status, 200);

    assert_eq!(sorted(inside.heard_ids()), ["a", "b", "c", "d"]);
    assert_eq!(inside.report("okta").replay_suspected, 0);
    assert_eq!(log.lines_where("level", "WARN"), [serde_json::Value::Null; 0]);
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

#[tokio::test]
async fn batch_false_where_only_parts_have_ids_is_known_by_its_body() {
    let settings =
        PROVIDER.replace(r#"["@.id", "$.delivery"]"#, r#""@.id""#).parse::<Settings>().expect("TOML");
    let builder = Webhooks::builder().settings(settings).source("crm", |source| source.batch(false));
    let inside = Inside::with(builder).await;
    for post in [of(json!([event("a")])), of(json!([event("a")])), of(json!([event("b")]))] {
        assert_eq!(inside.send(post).await.status, 200);
    }
    assert_eq!(inside.heard().len(), 2);
    assert_eq!(inside.report("crm").count("duplicate"), 1);
}

// ---- shutdown ------------------------------------------------------------------------------------------

/// Says that it has begun, and does not end.
struct Endless(mpsc::UnboundedSender<()>);

impl WebhookEventListener for Endless {
    fn source(&self) -> &str {
        "crm"
    }

    async fn handle(&self, _: &WebhookEvent) -> webhooks::Result {
        let _ = self.0.send(());
        std::future::pending().await
    }
}

#[tokio::test]
async fn parts_that_wait_are_not_begun_after_a_shutdown() {
    /// Handled side by side.
    const WIDTH: usize = 16;
    let at_once = "drain_delay = \"0s\"\nshutdown_grace = \"0s\"\n";
    let settings = format!("{at_once}{PROVIDER}").parse::<Settings>().expect("TOML");
    let (begun, mut begins) = mpsc::unbounded_channel();
    let webhooks =
        Webhooks::builder().settings(settings).listener(Endless(begun)).build().await.expect("it starts");
    let handle = webhooks.handle();
    let parts: Vec<_> = (0..3 * WIDTH).map(|it| event(&it.to_string())).collect();
    let request = of(parts.into()).into_request();
    let (head, body) = request.into_parts();
    let source = SourceName::new("crm").expect("a name");
    let delivery = Delivery::new(source, body).with_headers(head.headers);
    let processor = handle.processor().clone();
    let processing = tokio::spawn(async move { processor.process(delivery).await });
    for _ in 0..WIDTH {
        begins.recv().await.expect("a run");
    }

    handle.drain().await;

    assert_eq!(refusal(&processing.await.expect("no panic")), "503 shutting_down");
    assert!(begins.try_recv().is_err(), "another part was begun");
}
