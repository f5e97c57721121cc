//! What listeners and settings ask of the inbox: attempts, time, how many at once, how much.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::StatusCode;
use serde_json::json;
use support::inbox::{InboxFolder, settled, until};
use support::inside::{Inside, Post, Recorder, reason};
use support::log::Log;
use support::scripted::{Count, Gate};
use support::{sample, sign};
use webhooks::{
    Builder, Failure, OnDead, OrderBy, Retry, RunState, Selection, WebhookEvent, WebhookEventListener,
    WebhookInbox, Webhooks,
};

fn inbox(webhooks: &Webhooks) -> WebhookInbox {
    webhooks.inbox().expect("an inbox is configured")
}

async fn deliver(webhooks: &Webhooks, id: &str) -> StatusCode {
    webhooks.process(sample::of("stripe", id).into_request()).await.status
}

/// A listener with options of its own, that counts how many of it run at once and waits for a gate.
#[derive(Clone)]
struct Optional {
    id: &'static str,
    retry: Retry,
    timeout: Option<Duration>,
    concurrency: Option<usize>,
    fails: bool,
    gate: Gate,
    begun: Count,
    at_once: Arc<AtomicUsize>,
    most_at_once: Arc<AtomicUsize>,
}

impl Optional {
    fn new(id: &'static str) -> Self {
        Self {
            id,
            retry: Retry::default(),
            timeout: None,
            concurrency: None,
            fails: false,
            gate: Gate::closed(),
            begun: Count::new(),
            at_once: Arc::default(),
            most_at_once: Arc::default(),
        }
    }
}

impl WebhookEventListener for Optional {
    fn source(&self) -> &str {
        "*"
    }

    fn id(&self) -> String {
        self.id.to_owned()
    }

    fn retry(&self) -> Retry {
        self.retry
    }

    fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    fn concurrency(&self) -> Option<usize> {
        self.concurrency
    }

    async fn handle(&self, _: &WebhookEvent) -> webhooks::Result {
        self.begun.add();
        let now = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(now, Ordering::SeqCst);
        if !self.fails {
            self.gate.pass().await;
        }
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        if self.fails { Err("as it was told".into()) } else { Ok(()) }
    }
}

#[tokio::test]
async fn a_listener_says_how_often_it_is_tried() {
    let folder = InboxFolder::new().setting("max_attempts = 7");
    let retry = Retry { max_attempts: Some(2), ..Retry::default() };
    let (own, usual) = (
        Optional { retry, fails: true, ..Optional::new("own") },
        Optional { fails: true, ..Optional::new("usual") },
    );
    let builder = folder.sources(&["stripe"]).listener(own.clone()).listener(usual.clone());
    let webhooks = builder.build().await.expect("all is well");
    assert_eq!(deliver(&webhooks, "evt_1").await, 200);
    settled(&inbox(&webhooks)).await;
    assert_eq!((own.begun.get(), usual.begun.get()), (2, 7));
}

#[tokio::test]
async fn a_listener_says_how_soon_it_is_tried_again() {
    let folder = InboxFolder::new();
    let hour = Some(Duration::from_secs(3_600));
    let retry = Retry { base: hour, max: hour, ..Retry::default() };
    let own = Optional { retry, fails: true, ..Optional::new("own") };
    let webhooks = folder.sources(&["stripe"]).listener(own.clone()).build().await.expect("all is well");
    let mut pauses = Vec::new();
    for number in 1..=20 {
        deliver(&webhooks, &format!("evt_{number}")).await;
        let run =
            async || inbox(&webhooks).show(number).await.expect("an inbox").expect("an event").runs.remove(0);
        until(async || run().await.failures.len() == 1).await;
        let due = run().await.due_at.expect("it is tried again");
        pauses.push(due.duration_since(std::time::SystemTime::now()).unwrap_or_default());
    }
    // Anything from nothing to the whole pause: with twenty of them, not all are at one end.
    assert!(pauses.iter().all(|it| Some(*it) <= hour), "{pauses:?}");
    assert!(pauses.iter().any(|it| it.as_secs() > 600), "{pauses:?}");
}

#[tokio::test]
async fn a_listener_that_takes_too_long_is_cancelled_and_tried_again() {
    let folder = InboxFolder::new().setting("max_attempts = 2");
    let own = Optional { timeout: Some(Duration::from_millis(20)), ..Optional::new("own") };
    let webhooks = folder.sources(&["stripe"]).listener(own.clone()).build().await.expect("all is well");
    deliver(&webhooks, "evt_1").await;
    settled(&inbox(&webhooks)).await;
    let record = inbox(&webhooks).show(1).await.expect("an inbox").expect("an event");
    assert_eq!(record.runs[0].reason.as_deref(), Some("attempts_exhausted"));
    let errors: Vec<_> = record.runs[0].failures.iter().map(|it| &*it.error).collect();
    assert!(errors.len() == 2 && errors.iter().all(|it| it.contains("timeout of 20ms")), "{errors:?}");
}

#[tokio::test]
async fn the_timeout_of_the_settings_is_for_those_without_their_own() {
    let folder = InboxFolder::new().setting("max_attempts = 1\ntimeout = \"30ms\"");
    let webhooks =
        folder.sources(&["stripe"]).listener(Optional::new("own")).build().await.expect("all is well");
    deliver(&webhooks, "evt_1").await;
    settled(&inbox(&webhooks)).await;
    let record = inbox(&webhooks).show(1).await.expect("an inbox").expect("an event");
    assert!(record.runs[0].failures[0].error.contains("timeout of 30ms"), "{record:?}");
}

#[tokio::test]
async fn so_many_run_at_once_and_no_more() {
    let folder = InboxFolder::new().setting("concurrency = 5");
    let few = Optional { concurrency: Some(2), ..Optional::new("few") };
    let many = Optional::new("many");
    let builder = folder.sources(&["stripe"]).listener(few.clone()).listener(many.clone());
    let webhooks = builder.build().await.expect("all is well");
    for number in 0..12 {
        assert_eq!(deliver(&webhooks, &format!("evt_{number}")).await, 200);
    }
    until(async || few.begun.get() + many.begun.get() == 5).await;
    few.gate.open();
    many.gate.open();
    settled(&inbox(&webhooks)).await;
    let most = |it: &Optional| it.most_at_once.load(Ordering::SeqCst);
    assert!(most(&few) <= 2 && most(&many) <= 5, "{} and {}", most(&few), most(&many));
    assert_eq!((few.begun.get(), many.begun.get()), (12, 12));
}

/// A listener with a thousand events waiting holds up none that has one.
#[tokio::test]
async fn no_listener_starves_another() {
    let folder = InboxFolder::new().setting("concurrency = 1");
    let (busy, other) = (Optional::new("busy"), Recorder::new("github"));
    let builder = folder.sources(&["stripe", "github"]).listener(busy.clone()).listener(other.clone());
    let webhooks = builder.build().await.expect("all is well");
    for number in 0..100 {
        deliver(&webhooks, &format!("evt_{number}")).await;
    }
    busy.begun.reach(1).await;
    let reply = webhooks.process(sample::of("github", "an-id").into_request()).await;
    assert_eq!(reply.status, 200);
    busy.gate.open();
    until(async || !other.heard().is_empty()).await;
    assert!(busy.begun.get() < 50, "it came after {} others", busy.begun.get());
}

#[tokio::test]
async fn a_full_inbox_refuses_what_is_new() {
    let folder = InboxFolder::new().setting("max_pending = 2\nconcurrency = 1");
    let slow = Optional::new("slow");
    let webhooks = folder.sources(&["stripe"]).listener(slow.clone()).build().await.expect("all is well");
    for id in ["evt_1", "evt_2"] {
        assert_eq!(deliver(&webhooks, id).await, 200);
    }
    let refused = webhooks.process(sample::of("stripe", "evt_3").into_request()).await;
    assert_eq!((refused.status, &*reason(&refused)), (StatusCode::SERVICE_UNAVAILABLE, "store_full"));
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(deliver(&webhooks, "evt_1").await, 200, "it is known already");
    slow.gate.open();
    settled(&inbox(&webhooks)).await;
    assert_eq!(deliver(&webhooks, "evt_3").await, 200);
}

/// A panic of the listener's is a failure like any other.
#[tokio::test]
async fn a_listener_that_panics_is_tried_again() {
    let folder = InboxFolder::new();
    let answer = |event: &WebhookEvent| {
        assert!(event.attempt() > 1, "the first time");
        Ok(())
    };
    let inside = Inside::answering(folder.sources(&["stripe"]), answer).await;
    inside.send(sample::of("stripe", "evt_1")).await;
    settled(&inbox(&inside.webhooks)).await;
    let record = inbox(&inside.webhooks).show(1).await.expect("an inbox").expect("an event");
    assert_eq!((record.runs[0].state, record.runs[0].attempts), (RunState::Done, 2));
    assert!(record.runs[0].failures[0].error.contains("the first time"), "{record:?}");
}

// ---- batches -------------------------------------------------------------------------------------

const CRM: &str = r#"
    secret = "topsecret"
    [scheme.signature]
    header = "X-Signature"
    prefix = "sha256="
    algorithm = "hmac-sha256"
    [scheme.identity]
    batch = "$.events"
    id = "@.id"
    type = "@.type"
    payload = "@.data"
"#;

/// Hears the events of each customer in order.
struct InOrder(Recorder);

impl WebhookEventListener for InOrder {
    fn source(&self) -> &str {
        "crm"
    }

    fn order_by(&self) -> Option<OrderBy> {
        Some(OrderBy { pointer: "/customer", on_dead: OnDead::Skip })
    }

    async fn handle(&self, event: &WebhookEvent) -> webhooks::Result {
        self.0.handle(event).await
    }
}

fn crm(folder: &InboxFolder) -> Builder {
    let source = format!("[sources.crm]\n{}", CRM.replace("[scheme", "[sources.crm.scheme"));
    folder.sources_and(&source)
}

fn batch(ids: &[&str]) -> Post {
    let event = |id: &&str| json!({"id": id, "type": "x", "data": {"customer": &id[..1], "id": id}});
    // A field of the delivery of the same name is none of the event's.
    let body = json!({"customer": "all", "events": ids.iter().map(event).collect::<Vec<_>>()}).to_string();
    Post::to("crm").headers(sign::hmac("topsecret", "unread", body.as_bytes())).body(body)
}

#[tokio::test]
async fn a_batch_is_stored_in_one_piece_and_each_event_handled() {
    let folder = InboxFolder::new();
    let answer = |event: &WebhookEvent| match (event.id(), event.attempt()) {
        (Some("b1"), 1) => Err(Failure::retry_after(Duration::ZERO, "once")),
        _ => Ok(()),
    };
    let recorder = Recorder::answering("crm", answer);
    let webhooks = crm(&folder).listener(InOrder(recorder.clone())).build().await.expect("all is well");
    let send = |ids: &[&str]| webhooks.process(batch(ids).into_request());

    assert_eq!(send(&["a1", "b1", "a2", "b2", "a1"]).await.status, 200);
    settled(&inbox(&webhooks)).await;

    let heard: Vec<String> = recorder.heard().iter().filter_map(|it| it.id().map(str::to_owned)).collect();
    let of = |customer: &str| heard.iter().filter(|it| it.starts_with(customer)).cloned().collect::<Vec<_>>();
    assert_eq!(of("a"), ["a1", "a2"], "once each, and in order");
    assert_eq!(of("b"), ["b1", "b1", "b2"], "b2 waits for the second attempt at b1");
    assert!(recorder.heard().iter().all(|it| it.payload().starts_with(b"{\"customer\":")));

    assert_eq!(send(&["a1", "c1"]).await.status, 200);
    settled(&inbox(&webhooks)).await;
    assert_eq!(recorder.heard().len(), 6, "only the one that was not known");
    assert_eq!(inbox(&webhooks).list(Selection::new()).await.expect("an inbox").len(), 5);
}

#[tokio::test]
async fn an_event_in_no_order_is_told_once() {
    let (folder, log) = (InboxFolder::new(), Log::capture());
    let listener = InOrder(Recorder::new("crm"));
    let webhooks = crm(&folder).listener(listener).build().await.expect("all is well");
    for id in ["1", "2"] {
        let body = json!({"events": [{"id": id, "type": "x", "data": {"Customer": "a"}}]}).to_string();
        let post = Post::to("crm").headers(sign::hmac("topsecret", "unread", body.as_bytes())).body(body);
        assert_eq!(webhooks.process(post.into_request()).await.status, 200);
    }
    let told = log.lines_where("order_by", "/customer");
    let fields: Vec<_> = told.iter().map(|it| (it["level"].as_str(), it["event_id"].as_str())).collect();
    assert_eq!(fields, [(Some("WARN"), Some("1"))]);
}

#[tokio::test]
async fn a_secret_that_stands_in_the_body_is_not_stored() {
    const TABLES: &str = r#"
        [sources.microsoft-graph]
        secret = "canary-of-graph"
        [sources.own]
        secret = "canary-of-our-own"
        scheme.signature = { json = "$.auth.token", algorithm = "token" }
        scheme.identity = { id = "$.id", type = "$.type" }"#;
    let graph =
        r#"{"value":[{"id":"1","changeType":"updated","clientState":"canary-of-graph","resource":"me"}]}"#;
    let own = r#"{"auth":{"token":"canary-of-our-own"},"id":"2","type":"paid"}"#;
    for folder in [InboxFolder::new(), InboxFolder::in_postgres()] {
        let inside = Inside::with(folder.sources_and(TABLES)).await;
        for (source, body) in [("microsoft-graph", graph), ("own", own)] {
            assert_eq!(inside.send(Post::to(source).body(body)).await.status, 200);
        }
        settled(&inbox(&inside.webhooks)).await;

        let found = folder.at_rest(&["canary", "changeType", "paid"]);
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["changeType", "paid"]);
        let mut heard: Vec<_> = inside.heard().iter().map(|it| it.payload().clone()).collect();
        heard.sort();
        let expected = [
            r#"{"auth":{"token":"*****************"},"id":"2","type":"paid"}"#,
            r#"{"id":"1","changeType":"updated","clientState":"***************","resource":"me"}"#,
        ];
        assert_eq!(heard, expected);
    }
}
