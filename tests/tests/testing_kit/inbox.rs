//! The client with an inbox: what is stored first is waited for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use support::inbox::InboxFolder;
use support::scripted::{Gate, listener};
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
#[derive(Default)]
struct Ordered {
    is_closed: Arc<AtomicBool>,
}

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
            _ if self.is_closed.load(Ordering::SeqCst) => Err(Failure::permanent("closed for good")),
            ("first", 1) => Err(Failure::retry_after(Duration::from_secs(60), "not yet")),
            _ => Ok(()),
        }
    }
}

#[tokio::test]
async fn what_waits_behind_another_is_not_waited_for() {
    let folder = InboxFolder::new();
    let client =
        testing::client(folder.sources(&["stripe"]).listener(Ordered::default())).await.expect("all is well");
    let of_customer = |event| testing::stripe(event).json(json!({"customer": "cus_1"}));
    client.send(of_customer("first")).await.expect("a report");
    let second = client.send(of_customer("second")).await.expect("a report");
    assert_eq!(second.runs, [], "it waits behind the first");
    let runs = client.settle(&second).await.expect("rest");
    assert_eq!(results(&runs, "ordered"), ["1 done"]);
}

#[tokio::test]
async fn what_is_revived_behind_another_is_not_waited_for() {
    let folder = InboxFolder::new();
    let ordered = Ordered { is_closed: Arc::new(AtomicBool::new(true)) };
    let is_closed = Arc::clone(&ordered.is_closed);
    let client = testing::client(folder.sources(&["stripe"]).listener(ordered)).await.expect("all is well");
    let of_customer = |event| testing::stripe(event).id(event).json(json!({"customer": "cus_1"}));
    for event in ["first", "second"] {
        let report = client.send(of_customer(event)).await.expect("a report");
        assert_eq!(results(&report.runs, "ordered"), ["1 failed for good: closed for good"]);
    }
    is_closed.store(false, Ordering::SeqCst);
    let first = client.send(of_customer("first")).await.expect("a report");
    assert_eq!(results(&first.runs, "ordered"), ["1 failed: not yet"]);
    let second = client.send(of_customer("second")).await.expect("a report");
    assert_eq!((&second.outcome, second.runs.len()), (&Outcome::Stored, 0), "it waits behind the first");
    let runs = client.settle(&second).await.expect("rest");
    assert_eq!(results(&runs, "ordered"), ["1 done"]);
}

/// Who sends a dead event again wants to know what becomes of it now.
async fn revived(folder: InboxFolder) {
    let is_open = Arc::<AtomicBool>::default();
    let open = Arc::clone(&is_open);
    let act = move |event: WebhookEvent| {
        let is_open = open.load(Ordering::SeqCst);
        async move {
            match (is_open, event.attempt()) {
                (false, _) => Err(Failure::permanent("closed for good")),
                (true, 1) => Err(Failure::retry_after(Duration::from_secs(3_600), "not yet")),
                (true, _) => Ok(()),
            }
        }
    };
    let builder = folder.sources(&["stripe"]).listener(listener("shop", act));
    let client = testing::client(builder.listener(listener("quick", async |_| Ok(())))).await.expect("well");
    let sale = testing::stripe("sale").id("evt_1");
    let first = client.send(sale.clone()).await.expect("a report");
    assert_eq!(results(&first.runs, "shop"), ["1 failed for good: closed for good"]);

    is_open.store(true, Ordering::SeqCst);
    let second = client.send(sale.clone()).await.expect("a report");
    assert_eq!(second.outcome, Outcome::Stored);
    assert_eq!(results(&second.runs, "shop"), ["1 failed: not yet"], "what was before is not its own");
    let runs = client.settle(&second).await.expect("rest");
    assert_eq!(results(&runs, "shop"), ["1 failed: not yet", "2 done"]);
    assert_eq!(results(&runs, "quick"), [] as [&str; 0], "it had succeeded");

    let third = client.send(sale).await.expect("a report");
    assert_eq!((third.outcome, third.runs), (Outcome::Duplicate, vec![]));
}

#[tokio::test]
async fn a_dead_event_that_is_sent_again() {
    revived(InboxFolder::new()).await;
}

#[tokio::test]
async fn a_dead_event_that_is_sent_again_in_postgres() {
    revived(InboxFolder::in_postgres()).await;
}

/// Each waits for its own, and for nothing else.
#[tokio::test]
async fn dead_events_that_are_sent_again_at_once() {
    let (is_open, gate) = (Arc::<AtomicBool>::default(), Gate::closed());
    let (open, wait) = (Arc::clone(&is_open), gate.clone());
    let act = move |event: WebhookEvent| {
        let (is_open, wait) = (open.load(Ordering::SeqCst), wait.clone());
        async move {
            match (is_open, event.id()) {
                (false, _) => return Err(Failure::permanent("closed for good")),
                (true, Some("evt_1")) => wait.pass().await,
                (true, _) => {}
            }
            Ok(())
        }
    };
    let folder = InboxFolder::new();
    let builder = folder.sources(&["stripe"]).listener(listener("shop", act));
    let client = testing::client(builder).await.expect("all is well");
    let [one, two] = ["evt_1", "evt_2"].map(|id| testing::stripe("sale").id(id));
    for sale in [&one, &two] {
        client.send(sale.clone()).await.expect("a report");
    }
    is_open.store(true, Ordering::SeqCst);
    let second = async {
        let report = client.send(two).await.expect("a report");
        gate.open();
        report
    };
    // Who of these two is late finds it begun already.
    let (first, again, second) = tokio::join!(client.send(one.clone()), client.send(one), second);
    let mut firsts = [first, again].map(|it| it.expect("a report"));
    firsts.sort_by_key(|it| it.outcome != Outcome::Stored);
    assert_eq!([&firsts[0].outcome, &firsts[1].outcome], [&Outcome::Stored, &Outcome::Duplicate]);
    assert_eq!(firsts[1].runs, []);
    for (report, id) in [(&firsts[0], "evt_1"), (&second, "evt_2")] {
        assert_eq!(results(&report.runs, "shop"), ["1 done"]);
        assert_eq!(report.runs[0].event_id.as_deref(), Some(id));
    }
}
