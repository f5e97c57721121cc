//! The client with an inbox: what is stored first is waited for.

use std::time::Duration;

use serde_json::json;
use support::inbox::InboxFolder;
use support::scripted::listener;
use webhooks::testing::{self, Client, RunResult};
use webhooks::{Failure, OrderBy, Outcome, RunState, Selection, WebhookEvent, WebhookEventListener};

/// Fails until its third attempt, or for good.
async fn third_time_lucky(event: WebhookEvent) -> webhooks::Result {
    match event.event_type() {
        "give.up" => Err(Failure::permanent("no such account")),
        _ if event.attempt() < 3 => Err("not yet".into()),
        _ => Ok(()),
    }
}

async fn client(folder: &InboxFolder) -> Client {
    let builder = folder
        .sources(&["stripe"])
        .listener(listener("patient", third_time_lucky))
        .listener(listener("quick", async |_| Ok(())));
    testing::client(builder).await.unwrap_or_else(|error| panic!("{error}"))
}

fn results(runs: &[testing::RunReport], listener: &str) -> Vec<String> {
    runs.iter()
        .filter(|it| it.listener == listener)
        .map(|it| format!("{} {}", it.attempt, it.result))
        .collect()
}

#[tokio::test]
async fn every_listener_has_run_once() {
    let folder = InboxFolder::new().setting("backoff_max = \"1h\"").setting("max_attempts = 3");
    let client = client(&folder).await;
    // A pause that no test would wait for.
    let later = testing::stripe("wait").json(json!({}));

    let report = client.send(later.clone()).await.expect("a report");
    assert_eq!((&report.outcome, report.status.as_u16()), (&Outcome::Stored, 200));
    assert_eq!(results(&report.runs, "quick"), ["1 done"]);
    assert_eq!(results(&report.runs, "patient")[0], "1 failed: not yet");

    let runs = client.settle(&report).await.expect("rest");
    assert_eq!(results(&runs, "patient"), ["1 failed: not yet", "2 failed: not yet", "3 done"]);
    assert_eq!(results(&runs, "quick"), ["1 done"], "the other one had succeeded");
    assert_eq!(client.send(later).await.expect("a report").outcome, Outcome::Duplicate);
}

#[tokio::test]
async fn what_is_given_up_is_at_rest() {
    let folder = InboxFolder::new();
    let client = client(&folder).await;
    let report = client.send(testing::stripe("give.up")).await.expect("a report");
    let failed = RunResult::Failed { error: "no such account".to_owned(), permanent: true };
    assert_eq!(report.result("patient"), Some(&failed));
    let inbox = client.webhooks().inbox().expect("an inbox");
    let dead = inbox.list(Selection::new().state(RunState::Dead)).await.expect("a list");
    assert_eq!(dead.len(), 1);
}

/// The clock is turned, and nobody waits.
#[tokio::test]
async fn an_hour_is_not_waited_for() {
    let folder = InboxFolder::new();
    let act = async |event: WebhookEvent| match event.attempt() {
        1 => Err(Failure::retry_after(Duration::from_secs(3_600), "closed")),
        _ => Ok(()),
    };
    let client =
        testing::client(folder.sources(&["stripe"]).listener(listener("closed", act))).await.expect("well");
    let before = client.clock().wall();
    let report = client.send(testing::stripe("x")).await.expect("a report");
    assert_eq!(results(&report.runs, "closed"), ["1 failed: closed"]);
    let runs = client.settle(&report).await.expect("rest");
    assert_eq!(results(&runs, "closed"), ["1 failed: closed", "2 done"]);
    let turned = client.clock().wall().duration_since(before).expect("forward");
    assert!(turned >= Duration::from_secs(3_599), "{turned:?}");
}

/// Handles a customer's events in order.
struct Ordered;

impl WebhookEventListener for Ordered {
    fn source(&self) -> &str {
        "stripe"
    }

    fn id(&self) -> String {
        "ordered".to_owned()
    }

    fn order_by(&self) -> Option<OrderBy> {
        Some(OrderBy { pointer: "/data/object/customer", on_dead: Default::default() })
    }

    async fn handle(&self, event: &WebhookEvent) -> webhooks::Result {
        match (event.event_type(), event.attempt()) {
            ("first", 1) => Err(Failure::retry_after(Duration::from_secs(60), "not yet")),
            _ => Ok(()),
        }
    }
}

#[tokio::test]
async fn what_waits_behind_another_is_not_waited_for() {
    let folder = InboxFolder::new();
    let client = testing::client(folder.sources(&["stripe"]).listener(Ordered)).await.expect("all is well");
    let of_customer = |event| testing::stripe(event).json(json!({"customer": "cus_1"}));
    client.send(of_customer("first")).await.expect("a report");
    let second = client.send(of_customer("second")).await.expect("a report");
    assert_eq!(second.runs, [], "it waits behind the first");
    let runs = client.settle(&second).await.expect("rest");
    assert_eq!(results(&runs, "ordered"), ["1 done"]);
}
