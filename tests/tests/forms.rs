//! Bodies that are forms: their parameters, or the JSON in one of them, are the payload.

use serde_json::{Value, json};
use support::inside::{Inside, Post, refusal};
use support::sample;

/// The payload of the one event that this request is.
async fn payload_of(provider: &str, post: Post) -> (String, Value) {
    let inside = Inside::with(sample::sources(&[provider])).await;
    let reply = inside.send(post).await;
    assert_eq!(reply.status, 200, "{:?}", reply.body);
    let event = inside.heard().remove(0);
    (event.event_type().to_owned(), serde_json::from_slice(event.payload()).expect("JSON"))
}

async fn refused(provider: &str, post: Post) -> String {
    refusal(&Inside::with(sample::sources(&[provider])).await.send(post).await)
}

#[tokio::test]
async fn twilio_parameters_are_the_payload() {
    let parameters = [
        ("Body", "Grüße & \"quotes\" = 100 %"),
        ("Empty", ""),
        ("MessageSid", "SM1"),
        ("MessageStatus", "delivered"),
    ];
    let (kind, payload) = payload_of("twilio", sample::twilio("id-1", &parameters)).await;
    assert_eq!(kind, "delivered");
    let expected = json!({"Body": "Grüße & \"quotes\" = 100 %", "Empty": "", "MessageSid": "SM1", "MessageStatus": "delivered"});
    assert_eq!(payload, expected);
}

#[tokio::test]
async fn a_parameter_that_comes_twice_is_a_list() {
    let parameters = [("MediaUrl", "https://a"), ("MediaUrl", "https://b"), ("Body", "x")];
    let (_, payload) = payload_of("twilio", sample::twilio("id-1", &parameters)).await;
    assert_eq!(payload["MediaUrl"], json!(["https://a", "https://b"]));
}

#[tokio::test]
async fn one_changed_parameter_is_a_forgery() {
    let genuine = sample::twilio("id-1", &[("Body", "Hello"), ("From", "+15551234567")]);
    let forged = genuine.body("Body=Hello&From=%2B15551234568");
    assert_eq!(refused("twilio", forged).await, "401 signature_mismatch");
}

#[tokio::test]
async fn github_form_encoded() {
    // `{"action":"opened","issue":{"title":"a+b & c"}}`
    let body =
        "payload=%7B%22action%22%3A%22opened%22%2C%22issue%22%3A%7B%22title%22%3A%22a%2Bb+%26+c%22%7D%7D";
    let (kind, payload) = payload_of("github", sample::github("an-id", "issues", body).form()).await;
    assert_eq!(kind, "issues.opened");
    assert_eq!(payload, json!({"action": "opened", "issue": {"title": "a+b & c"}}));
}

#[tokio::test]
async fn github_form_with_two_payloads_is_refused() {
    let body = "payload=%7B%7D&payload=%7B%22action%22%3A%22opened%22%7D";
    let twice = sample::github("an-id", "issues", body).form();
    assert_eq!(refused("github", twice).await, "400 duplicate_key");
}

#[tokio::test]
async fn slack_slash_command() {
    let body = "command=%2Fdeploy&text=main+now&trigger_id=13345224609.738474920&user_id=U1";
    let (kind, payload) = payload_of("slack", sample::slack(body).form()).await;
    assert_eq!(kind, "/deploy");
    assert_eq!((&payload["text"], &payload["user_id"]), (&json!("main now"), &json!("U1")));
}

#[tokio::test]
async fn slack_slash_command_is_handled_once() {
    let inside = Inside::with(sample::sources(&["slack"])).await;
    let command = || sample::slack("command=%2Fdeploy&text=main&trigger_id=13345224609.738474920").form();
    inside.send(command()).await;
    inside.send(command()).await;
    assert_eq!(inside.heard_ids(), ["13345224609.738474920"]);
}

#[tokio::test]
async fn slack_interaction_is_the_json_in_its_form() {
    // `{"type":"block_actions","trigger_id":"1.2","user":{"id":"U1"}}`
    let body = "payload=%7B%22type%22%3A%22block_actions%22%2C%22trigger_id%22%3A%221.2%22%2C%22user%22%3A%7B%22id%22%3A%22U1%22%7D%7D";
    let (kind, payload) = payload_of("slack", sample::slack(body).form()).await;
    assert_eq!(kind, "block_actions");
    assert_eq!(payload["user"]["id"], "U1");
}

#[tokio::test]
async fn the_content_type_may_have_parameters_and_any_case() {
    let content_type = "Application/X-WWW-Form-Urlencoded; charset=utf-8";
    let post = sample::slack("command=%2Fdeploy&trigger_id=1.2").with("content-type", content_type);
    assert_eq!(payload_of("slack", post).await.0, "/deploy");
}

#[tokio::test]
async fn what_is_expected_may_stand_in_a_form() {
    let builder = sample::sources(&["twilio", "github"])
        .source("twilio", |it| it.expect("$.AccountSid", "AC1"))
        .source("github", |it| it.expect("$.action", "opened"));
    let inside = Inside::with(builder).await;
    let form = |action: &str| format!("payload=%7B%22action%22%3A%22{action}%22%7D");
    let github = |action: &str| sample::github(action, "issues", &form(action)).form();
    let twilio = |account: &str| sample::twilio(account, &[("AccountSid", account), ("Body", "x")]);
    for ours in [twilio("AC1"), github("opened")] {
        assert_eq!(inside.send(ours).await.status, 200);
    }
    for theirs in [twilio("AC2"), github("closed")] {
        assert_eq!(refusal(&inside.send(theirs).await), "401 not_for_us");
    }
    assert_eq!(inside.heard().len(), 2);
}
