//! What becomes of deliveries that do not look like the others of their provider: which events they are, and whether
//! each is heard.

use ed25519_dalek::{Signer as _, SigningKey};
use http::StatusCode;
use support::described::scheme;
use support::inside::{Inside, Post, reason, refusal};
use support::sign::now_unix;
use webhooks::{Builder, Webhooks};

const SECRET: &str = "key-3ax6xnjp29jd6fds4gc373sgvjxteol0";

fn source(provider: &str) -> Builder {
    Webhooks::builder().source(provider, |it| it.secret(SECRET))
}

// ---- microsoft graph -----------------------------------------------------------------------------

fn graph(notification: &str) -> Post {
    let body = format!(r#"{{"value":[{{{notification},"clientState":"{SECRET}"}}]}}"#);
    Post::to("microsoft-graph").body(body)
}

/// Graph's id is optional; two equal changes of one message are two changes.
#[tokio::test]
async fn graph_notifications_without_an_id() {
    let inside = Inside::with(source("microsoft-graph")).await;
    let nameless = graph(r#""changeType":"updated","resource":"users/42""#);
    for _ in 0..2 {
        assert_eq!(inside.send(nameless.clone()).await.status, StatusCode::OK);
    }
    assert_eq!(inside.heard().len(), 2);
    let named = graph(r#""id":"1","changeType":"updated","resource":"users/42""#);
    for _ in 0..2 {
        assert_eq!(inside.send(named.clone()).await.status, StatusCode::OK);
    }
    assert_eq!(inside.heard().len(), 3);
}

#[tokio::test]
async fn graph_lifecycle_events() {
    let inside = Inside::with(source("microsoft-graph")).await;
    for kind in ["subscriptionRemoved", "missed", "reauthorizationRequired"] {
        inside.send(graph(&format!(r#""lifecycleEvent":"{kind}","subscriptionId":"s""#))).await;
    }
    assert_eq!(inside.heard_types(), ["subscriptionRemoved", "missed", "reauthorizationRequired"]);
}

// ---- twitch --------------------------------------------------------------------------------------

fn twitch(id: &str, kind: &str, status: &str) -> Post {
    let body = format!(r#"{{"subscription":{{"id":"s","status":"{status}","type":"channel.follow"}}}}"#);
    let post = scheme("twitch").post("twitch", SECRET, id, body);
    post.header("Twitch-Eventsub-Message-Type", kind)
        .header("Twitch-Eventsub-Subscription-Type", "channel.follow")
}

/// Whoever listens to follows wants no revocation, and whoever listens to revocations wants those of all types.
#[tokio::test]
async fn twitch_revocations_are_of_their_own_type() {
    let inside = Inside::with(source("twitch")).await;
    let requests = [
        twitch("1", "notification", "enabled"),
        twitch("2", "revocation", "authorization_revoked"),
        twitch("3", "revocation", "version_removed"),
        // The header is not signed: what it says does not count.
        twitch("4", "revocation", "enabled"),
        twitch("5", "notification", "user_removed"),
    ];
    for request in requests {
        assert_eq!(inside.send(request).await.status, StatusCode::OK);
    }
    let types = ["channel.follow", "revocation", "revocation", "channel.follow", "revocation"];
    assert_eq!(inside.heard_types(), types);
}

// ---- meta ----------------------------------------------------------------------------------------

#[tokio::test]
async fn meta_changes_are_routed_by_their_own_field() {
    let inside = Inside::with(source("meta")).await;
    let body = r#"{"object":"page","entry":[
        {"id":"1","time":1,"changes":[{"field":"feed","value":{"n":1}},{"field":"leadgen","value":{"n":2}}]},
        {"id":"2","time":1,"changes":[{"field":"feed","value":{"n":3}}]},
        {"id":"3","time":1,"messaging":[{"sender":{"id":"4"}},{"sender":{"id":"5"}}]},
        {"id":"6","time":1},
        {"id":"7","time":1,"changes":[]}
    ]}"#;
    for _ in 0..2 {
        let reply = inside.send(scheme("meta").post("meta", SECRET, "", body)).await;
        assert_eq!(reply.status, StatusCode::OK);
    }
    let heard = inside.heard();
    let mut events: Vec<_> =
        heard.iter().map(|it| (it.event_type(), std::str::from_utf8(it.payload()).expect("text"))).collect();
    events.sort();
    assert_eq!(
        events,
        [
            ("page", r#"{"id":"6","time":1}"#),
            ("page", r#"{"sender":{"id":"4"}}"#),
            ("page", r#"{"sender":{"id":"5"}}"#),
            ("page.feed", r#"{"field":"feed","value":{"n":1}}"#),
            ("page.feed", r#"{"field":"feed","value":{"n":3}}"#),
            ("page.leadgen", r#"{"field":"leadgen","value":{"n":2}}"#),
        ]
    );
}

// ---- gitlab --------------------------------------------------------------------------------------

#[tokio::test]
async fn gitlab_work_items_are_issues_to_the_header() {
    let secret = support::sign::random_whsec();
    let inside = Inside::with(Webhooks::builder().source("gitlab", |it| it.secret(&*secret))).await;
    let send = |id: &str, event: &str, kind: &str| {
        let body = format!(r#"{{"object_kind":"{kind}"}}"#);
        let headers = support::sign::gitlab(&secret, id, event, now_unix(), body.as_bytes());
        inside.send(Post::to("gitlab").headers(headers).body(body))
    };
    for (id, event, kind) in [
        ("1", "Issue Hook", "issue"),
        ("2", "Issue Hook", "work_item"),
        ("3", "Confidential Issue Hook", "work_item"),
    ] {
        assert_eq!(send(id, event, kind).await.status, StatusCode::OK, "{event} {kind}");
    }
    assert_eq!(inside.heard_types(), ["Issue Hook", "Issue Hook", "Confidential Issue Hook"]);
    let forged = send("4", "Issue Hook", "push").await;
    assert_eq!((forged.status, reason(&forged).as_str()), (StatusCode::BAD_REQUEST, "type_mismatch"));
}

// ---- shopify -------------------------------------------------------------------------------------

/// The newer product has other names for all of its headers.
#[tokio::test]
async fn shopify_events() {
    let builder = Webhooks::builder().source("shopify", |it| it.secret(SECRET).variant("events"));
    let inside = Inside::with(builder).await;
    let post = scheme("shopify/events").post("shopify", SECRET, "", r#"{"id":42}"#);
    let post = post.header("shopify-topic", "Product").header("shopify-webhook-id", "w-1");
    for _ in 0..2 {
        assert_eq!(inside.send(post.clone()).await.status, StatusCode::OK);
    }
    let heard: Vec<_> = inside.heard_types().into_iter().zip(inside.heard_ids()).collect();
    assert_eq!(heard, [("Product".to_owned(), "w-1".to_owned())]);
    let stripped = inside.send(post.without("shopify-webhook-id")).await;
    assert_eq!((stripped.status, reason(&stripped).as_str()), (StatusCode::BAD_REQUEST, "id_missing"));
}

// ---- box -----------------------------------------------------------------------------------------

/// The header's id is the attempt's, and another one on a retry; the body's is the event's.
#[tokio::test]
async fn box_retries_have_another_delivery_id() {
    let inside = Inside::with(source("box")).await;
    let body = r#"{"type":"webhook_event","id":"e-1","trigger":"FILE.UPLOADED"}"#;
    for delivery in ["d-1", "d-2"] {
        let post = scheme("box").post("box", SECRET, "", body).header("BOX-DELIVERY-ID", delivery);
        assert_eq!(inside.send(post).await.status, StatusCode::OK);
    }
    assert_eq!(inside.heard_ids(), ["e-1"]);
}

// ---- what the content type says ------------------------------------------------------------------

/// Nobody signs the content type. A captured event says what it said, whatever it is sent as.
#[tokio::test]
async fn json_is_not_taken_for_a_form() {
    let captured = r#"{"action":"edited","event_id":"Ev1","type":"event_callback","issue":{"title":"&payload={\"action\":\"deleted\"}&"}}"#;
    for (provider, headers) in [
        ("github", [("X-GitHub-Event", "issues"), ("X-GitHub-Delivery", "1")]),
        ("gitea", [("X-Gitea-Event", "issues"), ("X-Gitea-Delivery", "1")]),
        ("slack", [("X-A", "1"), ("X-B", "1")]),
    ] {
        let inside = Inside::with(source(provider)).await;
        let post = scheme(provider).post(provider, SECRET, "", captured);
        let post = headers.iter().fold(post, |post, (name, value)| post.header(name, value));
        assert_eq!(refusal(&inside.send(post.clone().form()).await), "400 body_malformed", "{provider}");
        assert!(inside.heard().is_empty(), "{provider}");
        assert_eq!(inside.send(post).await.status, StatusCode::OK, "{provider}");
    }
}

// ---- discord -------------------------------------------------------------------------------------

const DISCORD: &str = r#"{"version":1,"application_id":"42","type":1,"event":{"type":"ENTITLEMENT_CREATE","timestamp":"2024-01-01T00:00:00","data":{}}}"#;

fn discord(key: &SigningKey, time: i64, body: &str) -> Post {
    let signature = key.sign(format!("{time}{body}").as_bytes());
    Post::to("discord")
        .header("X-Signature-Ed25519", hex::encode(signature.to_bytes()))
        .header("X-Signature-Timestamp", time.to_string())
        .body(body)
}

/// Time and body are signed without anything between, and the time is held against the clock.
#[tokio::test]
async fn discord_boundary_slide() {
    let key = SigningKey::from_bytes(&[7; 32]);
    let public = hex::encode(key.verifying_key().to_bytes());
    let inside = Inside::with(Webhooks::builder().source("discord", |it| it.secret(public))).await;
    let genuine = discord(&key, now_unix(), DISCORD);
    let at = genuine.value("X-Signature-Timestamp").to_owned();
    let time = "X-Signature-Timestamp";
    for (request, code) in [
        (
            genuine.clone().with(time, &at[..at.len() - 1]).body(format!("{}{DISCORD}", &at[at.len() - 1..])),
            "expired",
        ),
        (genuine.clone().with(time, format!("{at}{{")).body(&DISCORD[1..]), "timestamp_malformed"),
        (genuine.clone().with(time, "").body(format!("{at}{DISCORD}")), "timestamp_malformed"),
        (discord(&key, now_unix() - 2 * 3_600, DISCORD), "expired"),
        (discord(&key, now_unix() + 3_600, DISCORD), "from_the_future"),
    ] {
        assert_eq!(refusal(&inside.send(request.clone()).await), format!("401 {code}"), "{request:?}");
    }
    assert!(inside.heard().is_empty());
    assert_eq!(inside.send(genuine).await.status, StatusCode::OK);
}
