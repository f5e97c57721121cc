//! The inbox from an acknowledged delivery to its last run.

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use support::inbox::{InboxFolder, settled, until};
use support::inside::{Inside, Recorder};
use support::sample;
use support::scripted::Count;
use webhooks::{
    Clock, DeadReason, Failure, OnDead, OrderBy, Outcome, RunState, Selection, WebhookEvent,
    WebhookEventListener, WebhookInbox, testing,
};

const DAY: Duration = Duration::from_secs(86_400);

/// Each engine does the same.
macro_rules! on_each_engine {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $test() {
                    super::$test(support::inbox::InboxFolder::new).await;
                }
            )*
        }

        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $test() {
                    super::$test(support::inbox::InboxFolder::in_postgres).await;
                }
            )*
        }
    };
}

on_each_engine!(
    stored_then_handled_once,
    every_provider_goes_through_the_inbox,
    a_failed_run_is_retried_until_it_succeeds,
    what_fails_for_good_or_too_often_is_dead_with_its_body,
    a_source_may_stay_inline,
    an_event_that_nobody_hears_is_not_stored,
    what_is_not_verified_is_not_stored,
    unknown_listener_waits,
    body_kept_while_pending,
    replay_marks_itself,
    a_redelivery_of_a_dead_event_is_handled_again,
    what_an_operator_forgets_is_handled_anew,
    no_credentials_at_rest,
    ordered_key,
    ordered_key_dead_head,
);

fn inbox(inside: &Inside) -> WebhookInbox {
    inside.webhooks.inbox().expect("an inbox is configured")
}

/// Fails as often as the event's type says, `fail.2`; `fail.permanent` for good.
fn as_told(event: &WebhookEvent) -> webhooks::Result {
    match event.event_type().strip_prefix("fail.") {
        Some("permanent") => Err(Failure::permanent("for good")),
        Some(times) if event.attempt() <= times.parse()? => Err("not yet".into()),
        _ => Ok(()),
    }
}

fn stripe(id: &str, event_type: &str) -> support::inside::Post {
    sample::stripe(&format!(r#"{{"id":"{id}","type":"{event_type}","data":{{"object":{{}}}}}}"#))
}

async fn stored_then_handled_once(new_inbox: fn() -> InboxFolder) {
    let folder = new_inbox();
    let inside = Inside::with(folder.sources(&["stripe"])).await;

    for _ in 0..3 {
        assert_eq!(inside.send(sample::of("stripe", "evt_1")).await.status, StatusCode::OK);
    }

    settled(&inbox(&inside)).await;
    assert_eq!(inside.heard_ids(), ["evt_1"]);
    let report = inside.report("stripe");
    assert_eq!((report.count("stored"), report.count("duplicate")), (1, 2));
    let heard = &inside.heard()[0];
    assert_eq!(heard.body(), sample::stripe_body("evt_1").as_bytes());
    assert_eq!(&heard.payload()[..], br#"{"id":"pi_1","amount":4200}"#);
    assert!(heard.is_verified() && !heard.is_replay());
    assert_eq!((heard.attempt(), heard.secret_index()), (1, Some(0)));
}

async fn every_provider_goes_through_the_inbox(new_inbox: fn() -> InboxFolder) {
    let folder = new_inbox();
    let recorder = Recorder::new("*");
    let names: Vec<String> = webhooks::providers().map(|it| it.name().to_owned()).collect();
    let builder = folder.sources(&[]).listener(recorder.clone());
    let builder = names.iter().fold(builder, |builder, name| builder.source(name, |source| source));
    let client = testing::client(builder).await.unwrap_or_else(|error| panic!("{error}"));
    for name in &names {
        let report =
            client.send(testing::example(name)).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((&report.outcome, report.runs.len()), (&Outcome::Stored, 1), "{name}");
    }
    let heard: Vec<_> = recorder.heard().iter().map(|event| event.source().to_owned()).collect();
    assert_eq!(heard, names);
}

async fn a_failed_run_is_retried_until_it_succeeds(new_inbox: fn() -> InboxFolder) {
    let folder = new_inbox();
    let inside = Inside::answering(folder.sources(&["stripe"]), as_told).await;

    assert_eq!(inside.send(stripe("evt_1", "fail.3")).await.status, 200);

    settled(&inbox(&inside)).await;
    let attempts: Vec<_> = inside.heard().iter().map(WebhookEvent::attempt).collect();
    assert_eq!(attempts, [1, 2, 3, 4]);
    let shown = inbox(&inside).show(1).await.expect("an inbox").expect("an event");
    assert_eq!(shown.runs[0].state, RunState::Done);
    assert_eq!(shown.runs[0].failures.len(), 3);
}

async fn what_fails_for_good_or_too_often_is_dead_with_its_body(new_inbox: fn() -> InboxFolder) {
    let folder = new_inbox().setting("max_attempts = 3");
    let inside = Inside::answering(folder.sources(&["stripe"]), as_told).await;

    inside.send(stripe("evt_1", "fail.permanent")).await;
    inside.send(stripe("evt_2", "fail.99")).await;

    settled(&inbox(&inside)).await;
    assert_eq!(inside.heard().len(), 1 + 3);
    for (id, why) in [("evt_1", DeadReason::Permanent), ("evt_2", DeadReason::AttemptsExhausted)] {
        let dead = inbox(&inside).list(Selection::new().reason(why)).await.expect("an inbox");
        assert_eq!(dead[0].event_id.as_deref(), Some(id));
        let shown = inbox(&inside).show(dead[0].number).await.expect("an inbox").expect("an event");
        assert!(shown.body_bytes.is_some());
    }
    let story = inbox(&inside).explain("evt_2").await.expect("an inbox");
    assert!(story.contains("every attempt it may have has failed") && story.contains("attempt 3"), "{story}");
    assert!(inbox(&inside).explain("evt_9").await.expect("an inbox").contains("knows no event"));
}

async fn a_source_may_stay_inline(new_inbox: fn() -> InboxFolder) {
    let folder = new_inbox();
    let builder = folder.sources(&["stripe", "github"]).source("github", |source| source.inbox(false));
    let inside = Inside::with(builder).await;

    inside.send(sample::of("stripe", "evt_1")).await;
    inside.send(sample::of("github", "an-id")).await;

    settled(&inbox(&inside)).await;
    assert_eq!(inside.report("stripe").count("stored"), 1);
    assert_eq!(inside.report("github").count("handled"), 1);
}

async fn an_event_that_nobody_hears_is_not_stored(new_inbox: fn() -> InboxFolder) {
    let folder = new_inbox();
    let builder = folder.sources(&["stripe", "github"]).listener(Recorder::new("github"));
    let webhooks = builder.build().await.expect("all is well");
    let reply = webhooks.process(sample::of("stripe", "evt_1").into_request()).await;
    assert_eq!(reply.status, 200);
    let inbox = webhooks.inbox().expect("an inbox is configured");
    assert!(inbox.list(Selection::new()).await.expect("an inbox").is_empty());
}

async fn what_is_not_verified_is_not_stored(new_inbox: fn() -> InboxFolder) {
    let folder = new_inbox();
    let inside = Inside::with(folder.sources(&["stripe"])).await;
    let forged = sample::of("stripe", "evt_1").body("{\"id\":\"evt_2\"}");
    assert_eq!(inside.send(forged).await.status, 401);
    assert!(inbox(&inside).list(Selection::new()).await.expect("an inbox").is_empty());
}

async fn unknown_listener_waits(new_inbox: fn() -> InboxFolder) {
    let (folder, clock) = (new_inbox(), Clock::turnable());
    let build = || folder.sources(&["github"]).clock(clock.clone());
    let newer = build().listener(Recorder::new("github"));
    let newer = Inside::answering(newer, |_| Err(Failure::retry_after(DAY, "the newer build fails"))).await;
    newer.send(sample::of("github", "id-1")).await;
    let run_of_newer = async |inbox: &WebhookInbox| {
        let shown = inbox.show(1).await.expect("an inbox").expect("an event");
        shown.runs.into_iter().find(|run| run.listener == "recorder of *").expect("its run")
    };
    until(async || run_of_newer(&inbox(&newer)).await.failures.len() == 1).await;
    drop(newer);

    // The older build has no `recorder of *`, whose run is due by now.
    clock.advance(DAY * 2);
    let heard = Recorder::new("github");
    let older = build().listener(heard.clone()).build().await.expect("all is well");
    let inbox = older.inbox().expect("an inbox is configured");
    older.process(sample::of("github", "id-2").into_request()).await;
    let is_done = async || {
        let shown = inbox.show(2).await.expect("an inbox");
        shown.is_some_and(|event| event.runs.iter().all(|run| run.state == RunState::Done))
    };
    until(is_done).await;

    let waits = run_of_newer(&inbox).await;
    assert_eq!((waits.state, waits.attempts, waits.failures.len()), (RunState::Pending, 1, 1));
    assert_eq!(heard.heard().last().and_then(WebhookEvent::id), Some("id-2"));
    let backlog = inbox.backlog().await.expect("an inbox");
    let waiting = backlog.iter().find(|it| it.listener == "recorder of *").expect("it is counted");
    assert_eq!((waiting.pending, waiting.dead), (1, 0));
}

async fn body_kept_while_pending(new_inbox: fn() -> InboxFolder) {
    let (folder, clock) = (new_inbox(), Clock::turnable());
    let answer = |event: &WebhookEvent| match event.attempt() {
        1 => Err(Failure::retry_after(DAY * 400, "in a year")),
        _ => Ok(()),
    };
    let inside = Inside::answering(folder.sources(&["stripe"]).clock(clock.clone()), answer).await;
    inside.send(sample::of("stripe", "evt_1")).await;
    // Not before that is it known when it comes again.
    let shown = async || inbox(&inside).show(1).await.expect("an inbox").expect("an event");
    until(async || shown().await.runs[0].failures.len() == 1).await;

    clock.advance(DAY * 399);
    inbox(&inside).sweep().await.expect("an inbox");
    clock.advance(DAY * 2);

    until(async || inside.heard().len() == 2).await;
    assert_eq!(inside.heard()[1].body(), sample::stripe_body("evt_1").as_bytes());
}

async fn replay_marks_itself(new_inbox: fn() -> InboxFolder) {
    let folder = new_inbox();
    let other = Recorder::new("stripe");
    let answer = |event: &WebhookEvent| match event.is_replay() {
        true => Ok(()),
        false => Err(Failure::permanent("the first time")),
    };
    let inside = Inside::answering(folder.sources(&["stripe"]).listener(other.clone()), answer).await;
    inside.send(sample::of("stripe", "evt_1")).await;
    inside.send(sample::of("stripe", "evt_2")).await;
    settled(&inbox(&inside)).await;

    let replayed = inbox(&inside).replay(Selection::new().event_id("evt_1")).await.expect("an inbox");

    assert_eq!(replayed.runs, 1);
    settled(&inbox(&inside)).await;
    let heard: Vec<_> =
        inside.heard().iter().map(|it| (it.id().map(str::to_owned), it.is_replay())).collect();
    assert_eq!(heard.len(), 3);
    assert_eq!(heard[2], (Some("evt_1".to_owned()), true));
    assert_eq!(other.heard().len(), 2, "other listeners are not run again");
}

async fn a_redelivery_of_a_dead_event_is_handled_again(new_inbox: fn() -> InboxFolder) {
    let folder = new_inbox();
    let inside = Inside::answering(folder.sources(&["stripe"]), as_told).await;
    inside.send(stripe("evt_1", "fail.permanent")).await;
    settled(&inbox(&inside)).await;
    inside.send(stripe("evt_1", "fail.permanent")).await;
    settled(&inbox(&inside)).await;
    assert_eq!(inside.heard().len(), 2);
    assert_eq!(inside.report("stripe").count("stored"), 2);
}

async fn what_an_operator_forgets_is_handled_anew(new_inbox: fn() -> InboxFolder) {
    let folder = new_inbox();
    let inside = Inside::with(folder.sources(&["github"])).await;
    let (handle, body) = (inside.webhooks.handle(), sample::GITHUB_BODY.as_bytes());
    let forget = async || handle.processor().forget("github", "an-id", body).await.expect("an inbox");
    assert!(!forget().await, "it never came");
    for times in [1, 2] {
        for _ in 0..2 {
            assert_eq!(inside.send(sample::of("github", "an-id")).await.status, 200);
        }
        settled(&inbox(&inside)).await;
        assert_eq!(inside.heard().len(), times);
        assert!(forget().await);
    }
}

async fn no_credentials_at_rest(new_inbox: fn() -> InboxFolder) {
    let folder = new_inbox().setting("keep_headers = [\"x-tenant\"]");
    let inside = Inside::with(folder.sources(&["gitlab", "stripe"])).await;
    let post = sample::of("gitlab", "an-id")
        .target("/webhooks/gitlab?access_token=canary-in-the-query")
        .header("Authorization", "Bearer canary-in-authorization")
        .header("Cookie", "session=canary-in-a-cookie")
        .header("X-Gitlab-Token", "canary-in-a-token")
        .header("X-Api-Key", "canary-in-a-key")
        .header("X-Anything", "canary-in-anything")
        .header("X-Tenant", "acme");
    let signature = post.value("webhook-signature").to_owned();
    assert_eq!(inside.send(post).await.status, 200);
    settled(&inbox(&inside)).await;

    let credentials = ["canary-in-", &signature, sample::secret("gitlab")];
    let written = credentials.iter().flat_map(|it| [(*it).to_owned(), hex::encode(it)]);
    let looked_for: Vec<_> = written.chain(["Push Hook".to_owned()]).collect();
    let found: Vec<_> = folder.at_rest(&looked_for).into_iter().collect();
    assert_eq!(found, ["Push Hook"], "the event itself is there, and no credential");
    let headers = inside.heard()[0].headers().clone();
    assert_eq!(headers["x-tenant"], "acme");
    assert_eq!(headers["x-gitlab-event"], "Push Hook");
    assert!(!headers.contains_key("authorization"));
}

/// Remembers the order; slow, so that what is not kept apart overlaps, which is counted.
struct InOrder {
    order: OrderBy,
    heard: Recorder,
    at_work: Mutex<HashSet<Bytes>>,
    overlaps: Count,
}

impl WebhookEventListener for InOrder {
    fn source(&self) -> &str {
        "stripe"
    }

    fn id(&self) -> String {
        "in order".to_owned()
    }

    fn order_by(&self) -> Option<OrderBy> {
        Some(self.order)
    }

    async fn handle(&self, event: &WebhookEvent) -> webhooks::Result {
        let at_work = || self.at_work.lock().expect("nobody panics in here");
        // The customer and nothing else.
        let customer = event.payload();
        if !at_work().insert(customer.clone()) {
            self.overlaps.add();
        }
        tokio::time::sleep(Duration::from_millis(u64::from(event.attempt() % 3))).await;
        at_work().remove(customer);
        as_told(event)?;
        self.heard.handle(event).await
    }
}

fn in_order(on_dead: OnDead) -> (InOrder, Recorder) {
    let heard = Recorder::new("stripe");
    let order = OrderBy { pointer: "/data/object/customer", on_dead };
    let (at_work, overlaps) = (Mutex::default(), Count::new());
    (InOrder { order, heard: heard.clone(), at_work, overlaps }, heard)
}

fn of_customer(id: &str, event_type: &str, customer: usize) -> support::inside::Post {
    let object = format!(r#"{{"customer":"cus_{customer}"}}"#);
    sample::stripe(&format!(r#"{{"id":"{id}","type":"{event_type}","data":{{"object":{object}}}}}"#))
}

async fn ordered_key(new_inbox: fn() -> InboxFolder) {
    let folder = new_inbox();
    let (listener, heard) = in_order(OnDead::Skip);
    let overlaps = listener.overlaps.clone();
    let webhooks = folder.sources(&["stripe"]).listener(listener).build().await.expect("all is well");
    const CUSTOMERS: usize = 5;
    for number in 0..100 {
        // Every seventh fails at first: those behind it wait.
        let event_type = if number % 7 == 0 { "fail.2" } else { "paid" };
        let post = of_customer(&format!("evt_{number:03}"), event_type, number % CUSTOMERS);
        assert_eq!(webhooks.process(post.into_request()).await.status, 200);
    }
    settled(&webhooks.inbox().expect("an inbox is configured")).await;

    let ids: Vec<_> = heard.heard().iter().map(|event| event.id().expect("an id").to_owned()).collect();
    assert_eq!(ids.len(), 100);
    assert_eq!(overlaps.get(), 0, "runs of one customer overlap");
    for customer in 0..CUSTOMERS {
        let number = |id: &String| id[4..].parse::<usize>().expect("a number");
        let theirs: Vec<_> = ids.iter().map(number).filter(|number| number % CUSTOMERS == customer).collect();
        assert!(theirs.is_sorted(), "{theirs:?}");
    }
}

async fn ordered_key_dead_head(new_inbox: fn() -> InboxFolder) {
    for (on_dead, goes_on) in [(OnDead::Skip, true), (OnDead::Block, false)] {
        let folder = new_inbox();
        let (listener, heard) = in_order(on_dead);
        let webhooks = folder.sources(&["stripe"]).listener(listener).build().await.expect("all is well");
        let inbox = webhooks.inbox().expect("an inbox is configured");
        for (id, event_type) in [("evt_1", "fail.permanent"), ("evt_2", "paid")] {
            webhooks.process(of_customer(id, event_type, 1).into_request()).await;
        }
        webhooks.process(of_customer("evt_3", "paid", 2).into_request()).await;
        let dead = Selection::new().state(RunState::Dead);
        until(async || inbox.list(dead.clone()).await.expect("an inbox").len() == 1).await;
        until(async || heard.heard().len() == 1 + usize::from(goes_on)).await;
        if !goes_on {
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert_eq!(heard.heard().len(), 1, "it holds up those behind it");
            assert_eq!(inbox.discard(dead).await.expect("an inbox"), 1);
            until(async || heard.heard().len() == 2).await;
        }
    }
}
