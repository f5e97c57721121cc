//! What `.json(…)` and `.body(…)` mean.

use bytes::Bytes;
use serde_json::{Value, json};
use support::inside::Recorder;
use webhooks::testing::{self, Client, TestDelivery};
use webhooks::{Outcome, Settings, WebhookEvent, Webhooks};

/// A client to these sources, and what its listener hears.
async fn client(settings: &str) -> (Client, Recorder) {
    let recorder = Recorder::new("*");
    let settings: Settings = settings.parse().expect("good settings");
    let client = testing::client(Webhooks::builder().settings(settings).listener(recorder.clone())).await;
    (client.unwrap_or_else(|error| panic!("{error}")), recorder)
}

/// The event that a listener hears of this delivery.
async fn heard(delivery: TestDelivery, source: &str) -> WebhookEvent {
    let (client, recorder) = client(&format!("[sources.{source}]\n")).await;
    let report = client.send(delivery).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(report.outcome, Outcome::Handled);
    recorder.heard().pop().expect("an event")
}

fn json(bytes: &Bytes) -> Value {
    serde_json::from_slice(bytes).expect("JSON")
}

/// Of every provider that sends JSON or forms, the listener gets what the test gave: with the names added that the event
/// goes by, where they stand among it.
#[tokio::test]
async fn the_payload_is_what_the_listener_gets() {
    let mut wrong = Vec::new();
    for provider in webhooks::providers() {
        // Its payload is a form that Braintree signs, and not JSON.
        if provider.name() == "braintree" {
            continue;
        }
        let (client, recorder) = client(&format!("[sources.{}]\n", provider.name())).await;
        let payload = json!({"marker": "here"});
        let report = client.send(testing::example(provider.name()).json(&payload)).await;
        match report.map(|it| it.outcome) {
            Ok(Outcome::Handled) => {}
            other => {
                wrong.push(format!("{}: {other:?}", provider.name()));
                continue;
            }
        }
        let event = recorder.heard().pop().expect("an event");
        if json(event.payload())["marker"] != "here" {
            wrong.push(format!("{}: {}", provider.name(), json(event.payload())));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn the_envelope_is_the_examples() {
    let paid = testing::stripe("payment_intent.succeeded").id("evt_7").json(json!({"id": "pi_1"}));
    let event = heard(paid, "stripe").await;
    assert_eq!((event.id(), event.event_type()), (Some("evt_7"), "payment_intent.succeeded"));
    assert_eq!(json(event.payload()), json!({"id": "pi_1"}));
    assert_eq!(json(event.body())["object"], "event");
}

#[tokio::test]
async fn a_payload_that_is_the_body_gets_what_names_the_event() {
    let opened = testing::github("issues.opened").json(json!({"issue": {"number": 7}}));
    let event = heard(opened, "github").await;
    assert_eq!(event.event_type(), "issues.opened");
    assert_eq!(json(event.payload()), json!({"action": "opened", "issue": {"number": 7}}));
    // What the test says itself counts.
    let event = heard(testing::github("issues.opened").json(json!({"action": "opened"})), "github").await;
    assert_eq!(json(event.payload()), json!({"action": "opened"}));
    // An event without an action gets none.
    let event = heard(testing::github("push").json(json!({"ref": "main"})), "github").await;
    assert_eq!(json(event.payload()), json!({"ref": "main"}));
}

#[tokio::test]
async fn forms_and_batches() {
    let sms = testing::twilio("delivered").json(json!({"Body": "Hi & bye", "NumMedia": 0}));
    let event = heard(sms, "twilio").await;
    assert_eq!(event.event_type(), "delivered");
    assert_eq!(json(event.payload()), json!({"Body": "Hi & bye", "NumMedia": "0", "SmsStatus": "delivered"}));
    assert!(event.body().starts_with(b"Body=Hi+%26+bye&NumMedia=0"));

    let bounce = testing::delivery("sendgrid", "bounce").id("sg-1").json(json!({"email": "a@example.com"}));
    let event = heard(bounce, "sendgrid").await;
    assert_eq!((event.id(), event.event_type()), (Some("sg-1"), "bounce"));
    let expected = json!({"email": "a@example.com", "event": "bounce", "sg_event_id": "sg-1"});
    assert_eq!(json(event.payload()), expected);
}

#[tokio::test]
async fn a_body_is_sent_as_it_is() {
    let body = r#"{ "id": "evt_1", "type": "charge.failed", "data": {"object": 1} }"#;
    let event = heard(testing::stripe("is not looked at").body(body), "stripe").await;
    assert_eq!((&event.body()[..], event.event_type()), (body.as_bytes(), "charge.failed"));

    // But for a signature that stands inside of it.
    let item =
        r#"{"NotificationRequestItem": {"pspReference": "p", "eventCode": "REFUND", "success": "true"}}"#;
    let body = format!(r#"{{"live": "false", "notificationItems": [{item}]}}"#);
    let event = heard(testing::delivery("adyen", "REFUND").body(body), "adyen").await;
    assert_eq!(event.id(), Some("p+REFUND"));

    // Twilio signs a hash of what is no form into the URL.
    let event =
        heard(testing::twilio("x").body("{}").header("content-type", "application/json"), "twilio").await;
    assert_eq!(&event.body()[..], b"{}");
}

/// A scheme of the user's own, that no example was written for.
#[tokio::test]
async fn a_source_of_ones_own() {
    let (client, recorder) = client(
        r#"
        [sources.partner]
        provider = "hmac"
        [sources.partner.scheme.signature]
        header = "X-Partner-Mac"
        prefix = "v1="
        [sources.partner.scheme.identity]
        id_header = "X-Partner-Delivery"
        type = "$.kind"
        payload = "$.order"

        [sources.shop.scheme.signature]
        header = "X-Shop"
        algorithm = "hmac-sha512"
        [sources.shop.scheme.identity]
        id = "$.number"
        type = "$.what"
        "#,
    )
    .await;
    for source in ["partner", "shop"] {
        let delivery = testing::delivery(source, "order.paid").id("42").json(json!({"total": 7}));
        let report = client.send(delivery).await.unwrap_or_else(|error| panic!("{source}: {error}"));
        assert_eq!(report.outcome, Outcome::Handled, "{source}");
        let event = recorder.heard().pop().expect("an event");
        assert_eq!((event.id(), event.event_type()), (Some("42"), "order.paid"), "{source}");
        assert_eq!(json(event.payload())["total"], 7, "{source}");
    }
}

#[tokio::test]
async fn a_delivery_is_of_the_event_that_it_was_asked_to_be() {
    let (client, _) = client("[sources.gitlab]\n[sources.stripe]\n[sources.twilio]\n").await;
    let error = async |delivery| client.send(delivery).await.expect_err("it was sent").to_string();
    let other = testing::gitlab("Issue Hook").json(json!({"object_kind": "push"}));
    assert!(error(other).await.contains("this is no delivery of GitLab"));
    let other = testing::stripe("a").json(json!({})).header("content-type", "text/plain");
    assert!(client.send(other).await.is_ok(), "the type stands in the body");
    let nested = testing::twilio("received").json(json!({"a": {"b": 1}}));
    assert!(error(nested).await.contains("this payload has no place"));
    let unspeakable = testing::stripe("a").json(f64::NAN);
    assert!(client.send(unspeakable).await.is_ok(), "JSON has null for it");
}
