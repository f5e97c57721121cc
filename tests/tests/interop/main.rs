//! The vendors' own SDKs sign, the running `receiver` accepts; with one byte changed, it refuses.
//!
//! `tests/interop/sign.mjs` and `sign.py` hold the SDKs; `tests/run` installs them.

mod bodies;
mod receiving;
mod signing;

use bodies::{Bodies, adyen as adyen_notification, form_bodies, in_lists, json_bodies, made_by_the_sdk};
use receiving::Receiver;
use serde_json::json;
use signing::{NODE, PYTHON, Signer, sign_with};

#[tokio::test]
async fn stripe() {
    let event = |id: &str| json!({"id": id, "object": "event", "type": "charge.succeeded"});
    accepts_and_refuses("stripe", &[NODE, PYTHON], &json_bodies(event), Some("charge.succeeded")).await;
}

#[tokio::test]
async fn github() {
    let event = |_: &str| json!({"ref": "refs/heads/main"});
    accepts_and_refuses("github", &[NODE], &json_bodies(event), Some("push")).await;
}

#[tokio::test]
async fn standard_webhooks() {
    let event = |_: &str| json!({"type": "user.created"});
    accepts_and_refuses("standard-webhooks", &[NODE, PYTHON], &json_bodies(event), Some("user.created"))
        .await;
}

#[tokio::test]
async fn slack() {
    let event = |id: &str| json!({"type": "event_callback", "event_id": id, "event": {"type": "message"}});
    accepts_and_refuses("slack", &[PYTHON], &json_bodies(event), Some("message")).await;
}

#[tokio::test]
async fn twilio() {
    let message = |id: &str| format!("MessageSid={id}&From=%2B15551234567");
    accepts_and_refuses("twilio", &[NODE, PYTHON], &form_bodies(message), None).await;
}

#[tokio::test]
async fn svix() {
    let event = |_: &str| json!({"type": "invoice.paid"});
    accepts_and_refuses("svix", &[NODE, PYTHON], &json_bodies(event), Some("invoice.paid")).await;
}

/// They send through Svix, or sign as it does.
#[tokio::test]
async fn clerk_resend_and_openai() {
    for (provider, name) in
        [("clerk", "user.created"), ("resend", "email.sent"), ("openai", "response.completed")]
    {
        let event = |_: &str| json!({"type": name, "data": {}});
        accepts_and_refuses(provider, &[NODE, PYTHON], &json_bodies(event), Some(name)).await;
    }
}

#[tokio::test]
async fn adyen() {
    let bodies = json_bodies(adyen_notification);
    accepts_and_refuses("adyen", &[NODE, PYTHON], &bodies, Some("AUTHORISATION")).await;
}

#[tokio::test]
async fn adyen_platform() {
    let event = |id: &str| json!({"type": "balancePlatform.transfer.created", "data": {"eventId": id}});
    let bodies = json_bodies(event);
    accepts_and_refuses("adyen-platform", &[NODE, PYTHON], &bodies, Some("balancePlatform.transfer.created"))
        .await;
}

/// The SDKs make the whole delivery: a form with XML in base64, and its signature beside it.
#[tokio::test]
async fn braintree() {
    accepts_and_refuses("braintree", &[NODE, PYTHON], &made_by_the_sdk, Some("notification")).await;
}

#[tokio::test]
async fn pusher() {
    let event = |id: &str| json!({"time_ms": 1_700_000_000_000_u64, "events": [{"name": "channel_occupied", "channel": id}]});
    accepts_and_refuses("pusher", &[NODE, PYTHON], &json_bodies(event), Some("channel_occupied")).await;
}

#[tokio::test]
async fn hubspot() {
    let event = |id: &str| {
        json!({
            "eventId": id, "subscriptionId": 7, "objectId": 42, "occurredAt": 1_700_000_000_000_u64,
            "subscriptionType": "contact.creation",
        })
    };
    let bodies = in_lists(json_bodies(event));
    accepts_and_refuses("hubspot", &[NODE, PYTHON], &bodies, Some("contact.creation")).await;
}

#[tokio::test]
async fn box_() {
    let event = |id: &str| json!({"type": "webhook_event", "id": id, "trigger": "FILE.UPLOADED"});
    accepts_and_refuses("box", &[NODE, PYTHON], &json_bodies(event), Some("FILE.UPLOADED")).await;
}

#[tokio::test]
async fn coinbase_commerce() {
    let event = |id: &str| json!({"id": "1", "event": {"id": id, "type": "charge:confirmed", "data": {}}});
    accepts_and_refuses("coinbase-commerce", &[NODE], &json_bodies(event), Some("charge:confirmed")).await;
}

#[tokio::test]
async fn contentful() {
    let event = |id: &str| json!({"sys": {"type": "Entry", "id": id}});
    let topic = "ContentManagement.Entry.publish";
    accepts_and_refuses("contentful", &[NODE], &json_bodies(event), Some(topic)).await;
}

#[tokio::test]
async fn shopify() {
    let event = |id: &str| json!({"name": id});
    accepts_and_refuses("shopify", &[NODE], &json_bodies(event), Some("orders/create")).await;
}

#[tokio::test]
async fn paddle() {
    let event = |id: &str| json!({"event_id": id, "event_type": "transaction.completed", "data": {}});
    accepts_and_refuses("paddle", &[PYTHON], &json_bodies(event), Some("transaction.completed")).await;
}

/// The SDKs build the delivery; a token is sent along, and speaks for nothing but its sender.
#[tokio::test]
async fn cloudevents() {
    for mode in ["binary", "structured"] {
        let bodies = json_bodies(move |_| json!({ "mode": mode }));
        accepts_and_refuses("cloudevents", &[NODE, PYTHON], &bodies, Some("com.example.created")).await;
    }
}

/// A slash command is a form and carries no event id: whatever becomes of it, its signature counts.
#[tokio::test]
async fn slack_forms() {
    let command = |id: &str| format!("command=%2Fdeploy&trigger_id={id}");
    let receiver = Receiver::start();
    for delivery in sign_with(PYTHON, "slack", &form_bodies(command)) {
        receiver.refuses_damaged(&delivery).await;
        assert_ne!(receiver.send(&delivery).await.status, 401, "{delivery:?}");
    }
}

async fn accepts_and_refuses(
    provider: &'static str,
    signers: &[Signer],
    bodies: &Bodies<'_>,
    event: Option<&str>,
) {
    let receiver = Receiver::start();
    let mut sent = 0;
    for &signer in signers {
        for delivery in sign_with(signer, provider, bodies) {
            // Refused first, so that its id cannot be known already.
            receiver.refuses_damaged(&delivery).await;
            let response = receiver.send(&delivery).await;
            assert_eq!(response.status, 200, "{delivery:?}\n{}", receiver.process.output());

            sent += 1;

            let handled = receiver.handled(&delivery.id).await;
            assert_eq!(handled["source"], provider);
            assert_eq!(handled["attempt"], 1);
            if let Some(event) = event {
                assert_eq!(handled["type"], event);
            }
        }
    }
    // The last line is there: had a damaged delivery been handled, its line would be too.
    assert_eq!(receiver.process.stdout().count(), sent, "{}", receiver.process.output());
}
