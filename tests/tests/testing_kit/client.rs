//! The client: what became of a delivery, and what each listener did.

use std::time::Duration;

use http::{Request, StatusCode};
use serde_json::json;
use support::inside::Recorder;
use support::scripted::listener;
use webhooks::testing::{self, Client, RunResult};
use webhooks::{
    Event, Failure, Malformed, Outcome, Rejection, State, WebhookEvent, Webhooks, listeners, webhook_listener,
};

#[derive(serde::Deserialize)]
struct PaymentIntent {
    amount: u64,
}

/// What was paid.
#[derive(Default)]
struct Ledger(std::sync::atomic::AtomicU64);

#[webhook_listener(source = "stripe", event = "payment_intent.succeeded")]
async fn on_paid(Event(payment): Event<PaymentIntent>, ledger: State<Ledger>) {
    ledger.0.fetch_add(payment.amount, std::sync::atomic::Ordering::SeqCst);
}

/// Does what its event's type says.
#[webhook_listener(source = "stripe", timeout = "50ms")]
async fn as_told(event: WebhookEvent) -> webhooks::Result {
    match event.event_type() {
        "fail" if event.attempt() == 1 => Err("the ledger is closed".into()),
        "give.up" => Err(Failure::permanent("no such account")),
        "panic" => panic!("of all things"),
        "hang" => std::future::pending().await,
        _ => Ok(()),
    }
}

#[webhook_listener(source = "stripe")]
async fn content() {}

async fn told() -> Client {
    let builder = Webhooks::builder().listeners(listeners![as_told, content]);
    testing::client(builder).await.unwrap_or_else(|error| panic!("{error}"))
}

/// The README's: the test below sees that they are the same.
#[rustfmt::skip]
#[tokio::test]
async fn three_lines() -> testing::Result {
    let client = testing::client(Webhooks::builder().listeners(listeners![on_paid]).state(Ledger::default())).await?;
    let report = client.send(testing::stripe("payment_intent.succeeded").json(json!({"id": "pi_1", "amount": 42}))).await?;
    assert_eq!(report.outcome, Outcome::Handled);
    assert_eq!((report.status, report.result("on_paid")), (StatusCode::OK, Some(&RunResult::Done)));
    Ok(())
}

#[test]
fn the_readme_shows_what_is_tested() {
    let readme = include_str!("../../../README.md");
    let (_, section) = readme.split_once("## Testing a listener").expect("the section");
    let (_, code) = section.split_once("```rust\n").expect("its code");
    let (code, _) = code.split_once("```").expect("its end");
    assert_eq!(code.lines().count(), 3);
    let indented: String = code.lines().map(|line| format!("    {line}\n")).collect();
    assert!(include_str!("client.rs").contains(&indented), "{code}");
}

#[tokio::test]
async fn what_each_listener_did() {
    let client = told().await;
    let failed = |error: &str, permanent| RunResult::Failed { error: error.to_owned(), permanent };
    for (event, outcome, result) in [
        ("well", Outcome::Handled, RunResult::Done),
        ("fail", Outcome::Retry(None), failed("the ledger is closed", false)),
        ("give.up", Outcome::Dead, failed("no such account", true)),
        ("panic", Outcome::Retry(None), RunResult::Panicked("of all things".to_owned())),
        ("hang", Outcome::Retry(None), RunResult::TimedOut),
    ] {
        let report = client.send(testing::stripe(event).id(event)).await.expect("a report");
        assert_eq!((&report.outcome, report.status), (&outcome, outcome.status()), "{event}");
        assert_eq!(report.result("as_told"), Some(&result), "{event}");
        assert_eq!(report.result("client::content"), Some(&RunResult::Done), "{event}");
        let run = report.run("as_told").expect("a run");
        assert_eq!(run.listener, "testing_kit::client::as_told");
        assert_eq!((run.attempt, run.event_id.as_deref(), run.event_type.as_str()), (1, Some(event), event));
        assert_eq!(report.runs.len(), 2);
        assert!(report.result("told").is_none(), "a part of a name is no name");
    }
}

#[tokio::test]
async fn a_clone_is_a_redelivery() {
    let client = told().await;
    let delivery = testing::stripe("fail");
    let first = client.send(delivery.clone()).await.expect("a report");
    assert_eq!(first.outcome, Outcome::Retry(None));
    let second = client.send(delivery.clone()).await.expect("a report");
    assert_eq!((second.outcome, second.runs.len()), (Outcome::Handled, 1), "the other one had succeeded");
    assert_eq!(second.runs[0].attempt, 2);
    let third = client.send(delivery).await.expect("a report");
    assert_eq!((third.outcome, third.runs.len()), (Outcome::Duplicate, 0));
    assert_eq!(client.send(testing::stripe("fail")).await.expect("a report").runs.len(), 2, "another event");
}

#[tokio::test]
async fn what_is_not_believed() {
    let client = told().await;
    let charge = || testing::stripe("charge.failed").json(json!({"id": "ch_42"}));
    for (delivery, expected) in [
        (charge().unsigned(), Rejection::SignatureMissing),
        (charge().tampered(), Rejection::SignatureMismatch),
        (charge().signed_with("whsec_another"), Rejection::SignatureMismatch),
        (charge().header("stripe-signature", "t=1"), Rejection::SignatureMalformed),
        (charge().without_header("stripe-signature"), Rejection::SignatureMissing),
    ] {
        let report = client.send(delivery).await.expect("a report");
        assert_eq!(report.outcome, Outcome::Rejected(expected));
        assert_eq!((report.status, report.runs.len()), (StatusCode::UNAUTHORIZED, 0));
        assert!(report.body.starts_with(br#"{"error":"signature_"#), "{:?}", report.body);
    }
    let no_event = client.send(charge().body("[]")).await.expect("a report");
    assert_eq!(no_event.outcome, Outcome::Malformed(Malformed::IdMissing));
}

#[tokio::test]
async fn secrets_of_ones_own_are_signed_with() {
    let recorder = Recorder::new("*");
    let builder = Webhooks::builder()
        .source("stripe-eu", |it| it.provider("stripe").secrets(["whsec_new", "whsec_old"]))
        .source("paypal", |it| it.secret("WH-1"))
        .source("discord", |it| it.secret(DISCORD))
        .listener(recorder.clone());
    let client = testing::client(builder).await.expect("all is well");
    let charge = || testing::stripe("charge.failed");
    assert_eq!(client.send(charge().to("stripe-eu")).await.expect("a report").outcome, Outcome::Handled);
    let older = client.send(charge().to("stripe-eu").signed_with("whsec_old")).await.expect("a report");
    assert_eq!(older.outcome, Outcome::Handled);
    let indices: Vec<_> = recorder.heard().iter().map(WebhookEvent::secret_index).collect();
    assert_eq!(indices, [Some(0), Some(1)]);

    assert_eq!(client.send(testing::example("paypal")).await.expect("a report").outcome, Outcome::Handled);
    let other = client.send(testing::example("paypal").signed_with("WH-2")).await.expect("a report");
    assert_eq!(other.outcome, Outcome::Rejected(Rejection::SignatureMismatch));

    for (delivery, expected) in [
        (charge(), "no source is called `stripe`, but `stripe-eu` is of that provider"),
        (testing::github("push"), "no source is called"),
        (testing::example("discord"), "what the deliveries to `discord` are signed with is not here"),
    ] {
        let error = client.send(delivery).await.expect_err("it was sent").to_string();
        assert!(error.contains(expected), "{error}");
    }
}

/// Somebody's public key.
const DISCORD: &str = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";

#[tokio::test]
async fn the_clock_is_the_webhooks_own() {
    let client = told().await;
    let delivery = testing::stripe("well");
    assert_eq!(client.send(delivery.clone()).await.expect("a report").outcome, Outcome::Handled);

    // Signed at the time it is sent, by the clock that it is judged by.
    client.clock().advance(Duration::from_secs(3_600));
    assert_eq!(client.send(delivery.clone()).await.expect("a report").outcome, Outcome::Duplicate);
    let old = client.clock().wall() - Duration::from_secs(600);
    let late = client.send(testing::stripe("well").at(old)).await.expect("a report");
    assert!(matches!(late.outcome, Outcome::Rejected(Rejection::Expired { .. })), "{:?}", late.outcome);

    // Stripe's events are remembered for three days.
    client.clock().advance(Duration::from_secs(4 * 86_400));
    assert_eq!(client.send(delivery).await.expect("a report").outcome, Outcome::Handled);
}

#[tokio::test]
async fn every_kind_of_listener_and_of_answer() {
    let builder = Webhooks::builder()
        .source("slack", |source| source)
        .source("open", |source| source.provider("stripe").validator("none"))
        .listener(listener("a type", async |_| Ok(())).hearing("app_mention"));
    let client = testing::client(builder).await.expect("all is well");
    let mention = client.send(testing::slack("app_mention")).await.expect("a report");
    assert_eq!((mention.outcome, mention.runs[0].listener.as_str()), (Outcome::Handled, "a type"));
    let unheard = client.send(testing::slack("message")).await.expect("a report");
    assert_eq!((unheard.outcome, unheard.runs.len()), (Outcome::Ignored, 0));
    let unsigned = client.send(testing::stripe("app_mention").to("open")).await.expect("a report");
    assert_eq!(unsigned.outcome, Outcome::Handled);

    let handshake = r#"{"type":"url_verification","token":"t","challenge":"abc_123"}"#;
    let report = client.send(testing::slack("x").body(handshake)).await.expect("a report");
    assert!(matches!(report.outcome, Outcome::Challenge(_)), "{:?}", report.outcome);
    assert_eq!(report.body, r#"{"challenge":"abc_123"}"#);
    let nowhere = Request::post("/webhooks/nowhere").body(bytes::Bytes::new()).expect("a request");
    assert_eq!(client.send_request(nowhere).await.expect("a report").outcome, Outcome::UnknownSource);
}

#[tokio::test]
async fn what_does_not_start_says_why() {
    let error =
        testing::client(Webhooks::builder().listeners(listeners![on_paid])).await.expect_err("it starts");
    assert!(error.to_string().contains("takes `State<Ledger>`, but no `Ledger` was given"), "{error}");
    let strange = Webhooks::builder().listener(Recorder::new("partner"));
    let error = testing::client(strange).await.expect_err("it starts").to_string();
    assert!(error.contains("listens to source `partner`, which is not configured"), "{error}");
}
