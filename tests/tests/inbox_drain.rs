//! Leaving in order: what runs may finish, what cannot is released, nothing new is begun.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use support::inbox::{InboxFolder, settled};
use support::inside::{Inside, Recorder, reason};
use support::process::PATIENCE;
use support::sample;
use support::scripted::{Count, Gate, listener};
use tokio::time::timeout;
use webhooks::{RunState, Selection, WebhookInbox, Webhooks};

/// A listener that waits for a gate, and what it has begun and seen.
struct Gated {
    webhooks: Webhooks,
    begun: Count,
    gate: Gate,
    attempts: Recorder,
}

impl Gated {
    async fn new(folder: &InboxFolder) -> Self {
        let (begun, gate, attempts) = (Count::new(), Gate::closed(), Recorder::new("*"));
        let seen = (begun.clone(), gate.clone(), attempts.clone());
        let gated = listener("gated", move |event| {
            let (begun, gate, attempts) = seen.clone();
            async move {
                begun.add();
                gate.pass().await;
                webhooks::WebhookEventListener::handle(&attempts, &event).await
            }
        });
        let webhooks = folder.sources(&["stripe"]).listener(gated).build().await.expect("all is well");
        Self { webhooks, begun, gate, attempts }
    }

    async fn deliver(&self, id: &str) {
        let reply = self.webhooks.process(sample::of("stripe", id).into_request()).await;
        assert_eq!(reply.status, StatusCode::OK);
    }

    fn inbox(&self) -> WebhookInbox {
        self.webhooks.inbox().expect("an inbox is configured")
    }
}

#[tokio::test]
async fn what_runs_may_finish_and_nothing_more_is_begun() {
    let gated = Arc::new(Gated::new(&InboxFolder::new().setting("concurrency = 1")).await);
    gated.deliver("evt_1").await;
    gated.begun.reach(1).await;
    gated.deliver("evt_2").await;

    let handle = gated.webhooks.handle();
    let drained = tokio::spawn(async move { handle.drain().await });
    let refused = async || gated.webhooks.process(sample::of("stripe", "evt_3").into_request()).await;
    timeout(PATIENCE, async {
        while refused().await.status == StatusCode::OK {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("it closes");
    assert_eq!(reason(&refused().await), "shutting_down");
    gated.gate.open();
    timeout(PATIENCE, drained).await.expect("it ends with the run").expect("no panic");

    assert_eq!((gated.begun.get(), gated.attempts.heard().len()), (1, 1));
    let done = gated.inbox().list(Selection::new().state(RunState::Done)).await.expect("an inbox");
    assert_eq!(done[0].event_id.as_deref(), Some("evt_1"));
    let pending = gated.inbox().list(Selection::new().state(RunState::Pending)).await.expect("an inbox");
    assert!(
        pending.iter().any(|event| event.event_id.as_deref() == Some("evt_2")),
        "it waits for the next process"
    );
}

#[tokio::test]
async fn what_cannot_finish_is_released_and_nothing_is_held_against_it() {
    let folder = InboxFolder::new().general("shutdown_grace = \"50ms\"");
    let gated = Gated::new(&folder).await;
    for id in ["evt_1", "evt_2"] {
        gated.deliver(id).await;
    }
    gated.begun.reach(2).await;
    timeout(PATIENCE, gated.webhooks.handle().drain()).await.expect("it does not wait for ever");
    for number in [1, 2] {
        let record = gated.inbox().show(number).await.expect("an inbox").expect("an event");
        let run = &record.runs[0];
        assert_eq!((run.state, run.attempts, run.is_under_way), (RunState::Pending, 0, false), "{run:?}");
    }
    drop(gated);

    // Suspects would run one after the other: these are none.
    let next = Gated::new(&folder).await;
    next.begun.reach(2).await;
    next.gate.open();
    settled(&next.inbox()).await;
    assert!(next.attempts.heard().iter().all(|event| event.attempt() == 1));
}

#[tokio::test]
async fn an_idle_process_leaves_at_once() {
    let inside =
        Inside::with(InboxFolder::new().general("shutdown_grace = \"1h\"").sources(&["stripe"])).await;
    inside.send(sample::of("stripe", "evt_1")).await;
    settled(&inside.webhooks.inbox().expect("an inbox")).await;
    timeout(Duration::from_secs(20), inside.webhooks.handle().drain()).await.expect("nothing runs");
}
