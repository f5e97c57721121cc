//! Handshakes: answered as the providers document, and good for nothing else.

use http::{Method, StatusCode};
use support::described::scheme;
use support::inside::{Inside, Post, reason};
use support::sample;
use webhooks::testing::{self, SigningKey};
use webhooks::{Reply, Webhooks};

const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";

async fn inside(provider: &str) -> Inside {
    Inside::with(Webhooks::builder().source(provider, |it| it.secret(SECRET))).await
}

fn get(target: &str) -> Post {
    Post::at(target).method(Method::GET)
}

fn text(reply: &Reply) -> String {
    String::from_utf8_lossy(&reply.body).into_owned()
}

// ---- x -------------------------------------------------------------------------------------------

#[tokio::test]
async fn x_crc_oracle() {
    let x = inside("x-twitter").await;

    for oracle in
        ["%7B%22a%22%3A1%7D", "a.b", "a%3Db", "", &"a".repeat(129), "a&crc_token=b", "%C3%A9", "a+b"]
    {
        let reply = x.send(get(&format!("/webhooks/x-twitter?crc_token={oracle}"))).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{oracle}");
        assert!(!text(&reply).contains("sha256="), "{oracle}: {}", text(&reply));
    }

    let reply = x.send(get("/webhooks/x-twitter?crc_token=9b4507b3-9040-4669-9ca3")).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert!(text(&reply).starts_with(r#"{"response_token":"sha256="#), "{}", text(&reply));
}

#[tokio::test]
async fn x_crc_then_forge() {
    let x = inside("x-twitter").await;
    for token in ["1234567890", "true", "null", "abc"] {
        let reply = text(&x.send(get(&format!("/webhooks/x-twitter?crc_token={token}"))).await);
        let reply: serde_json::Value = serde_json::from_str(&reply).expect("JSON");
        let signature = reply["response_token"].as_str().expect("a token");

        let forged = Post::to("x-twitter").header("x-twitter-webhooks-signature", signature).body(token);
        let reply = x.send(forged).await;

        assert_ne!(reply.status, StatusCode::UNAUTHORIZED, "it is truly X's signature");
        assert!(x.heard().is_empty(), "but {token} was taken for an event");
    }
}

// ---- zoom ----------------------------------------------------------------------------------------

fn validation(token: &str) -> String {
    format!(r#"{{"event":"endpoint.url_validation","payload":{{"plainToken":"{token}"}}}}"#)
}

#[tokio::test]
async fn zoom_plaintoken_grammar() {
    let zoom = scheme("zoom");
    let (first, second) = ("first-secret", "second-secret");
    let inside = Inside::with(Webhooks::builder().source("zoom", |it| it.secrets([first, second]))).await;

    for oracle in ["v0:1700000000:{}", "a.b", "", "a b", "{}"] {
        let reply = inside.send(zoom.post("zoom", first, "", validation(oracle))).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{oracle}");
    }
    let unsigned = Post::to("zoom").body(validation("qgg8vlvZRS6UYooatFL8Aw"));
    assert_eq!(inside.send(unsigned).await.status, StatusCode::UNAUTHORIZED);

    let mut replies = Vec::new();
    for secret in [first, second] {
        let reply = inside.send(zoom.post("zoom", secret, "", validation("qgg8vlvZRS6UYooatFL8Aw"))).await;
        assert_eq!(reply.status, StatusCode::OK);
        let mac = support::sign::hmac(secret, "", b"qgg8vlvZRS6UYooatFL8Aw")[1].1.clone();
        let mac = mac.strip_prefix("sha256=").expect("a prefix").to_owned();
        assert!(text(&reply).contains(&mac), "it is keyed with the secret that verified");
        replies.push(text(&reply));
    }
    assert_ne!(replies[0], replies[1]);
    assert!(inside.heard().is_empty());
}

// ---- asana, notion -------------------------------------------------------------------------------

#[tokio::test]
async fn asana_takeover() {
    let asana = scheme("asana");
    let body = r#"{"events":[{"action":"changed","resource":{"resource_type":"task"},"created_at":"now"}]}"#;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("asana-secret");
    let file = file.to_str().expect("a path of text");
    let hello = |secret: &str| Post::to("asana").header("X-Hook-Secret", secret).body("{}");

    let inside = Inside::with(Webhooks::builder().source("asana", |it| it.secret_file(file))).await;
    let early = inside.send(asana.post("asana", "b537207f20cbfa02357cf448134da559", "", body)).await;
    assert_eq!(early.status, StatusCode::UNAUTHORIZED, "nothing is believed before the handshake");
    let reply = inside.send(hello("b537207f20cbfa02357cf448134da559")).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.headers["x-hook-secret"], "b537207f20cbfa02357cf448134da559");
    let printed = format!("{reply:?}");
    assert!(!printed.contains("b537207f"), "{printed}");

    let again = Inside::with(Webhooks::builder().source("asana", |it| it.secret_file(file))).await;
    for receiver in [&inside, &again] {
        let stranger = receiver.send(hello("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")).await;
        assert_eq!(stranger.status, StatusCode::UNAUTHORIZED);
        assert!(!stranger.headers.contains_key("x-hook-secret"));
        assert_eq!(std::fs::read_to_string(file).expect("a secret"), "b537207f20cbfa02357cf448134da559");
        let forged = receiver.send(asana.post("asana", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "", body)).await;
        assert_eq!(forged.status, StatusCode::UNAUTHORIZED);
        let genuine = receiver.send(asana.post("asana", "b537207f20cbfa02357cf448134da559", "", body)).await;
        assert_eq!(genuine.status, StatusCode::OK);
        assert_eq!(receiver.heard_types(), ["task.changed"]);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_secret_from_a_handshake_is_kept_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("notion-secret");
    let path = file.to_str().expect("a path of text");
    let inside = Inside::with(Webhooks::builder().source("notion", |it| it.secret_file(path))).await;

    let event = Post::to("notion").body(r#"{"verification_token":"secret_1","type":"page.created"}"#);
    assert_eq!(inside.send(event).await.status, StatusCode::UNAUTHORIZED, "that is no handshake");
    let hello = Post::to("notion")
        .body(r#"{"verification_token":"secret_tMrlL1qK5vuQAh1b6cZGhFChZTSYJlce98V0pYn7yBl"}"#);
    assert_eq!(inside.send(hello).await.status, StatusCode::OK);

    let mode = std::fs::metadata(&file).expect("a secret").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

// ---- echoes --------------------------------------------------------------------------------------

#[tokio::test]
async fn echo_is_inert() {
    let echoes = [
        ("dropbox", "/webhooks/dropbox?challenge="),
        ("meta", "/webhooks/meta?hub.mode=subscribe&hub.verify_token=our+word&hub.challenge="),
        ("microsoft-graph", "/webhooks/microsoft-graph?validationToken="),
    ];
    for (provider, target) in echoes {
        let builder = Webhooks::builder().source(provider, |it| match provider {
            "meta" => it.secret(SECRET).verify_token("our word"),
            _ => it.secret(SECRET),
        });
        let inside = Inside::with(builder).await;
        let method = if provider == "microsoft-graph" { Method::POST } else { Method::GET };
        let send =
            |challenge: &str| inside.send(Post::at(&format!("{target}{challenge}")).method(method.clone()));

        for bad in
            ["%3Cscript%3E", "%3Cscript%3Ealert(1)%3C/script%3E", "a%0D%0ASet-Cookie:b", "%22%3E", "", "%FF"]
        {
            let reply = send(bad).await;
            assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{provider} {bad}");
            assert!(!text(&reply).contains("script"), "{provider} {bad}");
        }
        let reply = send("1158201444").await;
        assert_eq!((reply.status, text(&reply).as_str()), (StatusCode::OK, "1158201444"), "{provider}");
        assert!(
            reply.headers["content-type"].to_str().expect("text").starts_with("text/plain"),
            "{provider}"
        );
        assert_eq!(reply.headers["x-content-type-options"], "nosniff", "{provider}");
    }
}

/// Its answer is text, and of no more than the challenge.
#[tokio::test]
async fn echo_is_inert_for_twitch() {
    let twitch = scheme("twitch");
    let inside = inside("twitch").await;
    let send = async |challenge: &str| {
        let body =
            format!(r#"{{"challenge":"{challenge}","subscription":{{"id":"1","type":"channel.follow"}}}}"#);
        let post = twitch.post("twitch", SECRET, "id-1", body);
        inside.send(post.with("Twitch-Eventsub-Message-Type", "webhook_callback_verification")).await
    };
    for bad in SCRIPTS {
        let reply = send(bad).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{bad}");
        assert!(!text(&reply).contains("script"), "{bad}");
    }
    let reply = send("pogchamp-kappa-360noscope-vohiyo").await;
    assert_eq!((reply.status, text(&reply).as_str()), (StatusCode::OK, "pogchamp-kappa-360noscope-vohiyo"));
    assert!(reply.headers["content-type"].to_str().expect("text").starts_with("text/plain"));
    assert_eq!(reply.headers["x-content-type-options"], "nosniff");

    let unsigned = Post::to("twitch").header("Twitch-Eventsub-Message-Type", "webhook_callback_verification");
    let reply = inside.send(unsigned.body(r#"{"challenge":"abc"}"#)).await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "it is signed like everything of Twitch's");
    assert!(inside.heard().is_empty());
}

/// What a browser would run, were it shown as a page.
const SCRIPTS: [&str; 3] = ["<script>", "<script>alert(1)</script>", "a<script src=//evil.example>"];

/// A genuine request for an echo of this; who asks for it is known, or the answer is a form that is no page.
fn echo_of(provider: &str, challenge: &str) -> Post {
    match provider {
        "front" => scheme("front").post("front", SECRET, "", "{}").header("x-front-challenge", challenge),
        "okta" => get("/webhooks/okta").header("X-Okta-Verification-Challenge", challenge),
        "monday" => Post::to("monday").body(format!(r#"{{"challenge":"{challenge}"}}"#)),
        "azure-event-grid" => {
            let kind = "Microsoft.EventGrid.SubscriptionValidationEvent";
            let body = format!(r#"[{{"eventType":"{kind}","data":{{"validationCode":"{challenge}"}}}}]"#);
            let post = Post::at(&format!("/webhooks/azure-event-grid?code={SECRET}")).body(body);
            post.header("aeg-event-type", "SubscriptionValidation")
        }
        _ => Post::to(provider).method(Method::OPTIONS).header("WebHook-Request-Origin", challenge),
    }
}

#[tokio::test]
async fn echo_is_inert_in_json_and_headers() {
    for provider in ["front", "okta", "monday", "azure-event-grid", "cloudevents"] {
        let inside = inside(provider).await;
        for bad in SCRIPTS {
            let reply = inside.send(echo_of(provider, bad)).await;
            assert!(reply.status.is_client_error(), "{provider} {bad}: {}", reply.status);
            let headers = format!("{:?}", reply.headers);
            assert!(!text(&reply).contains("script") && !headers.contains("script"), "{provider} {bad}");
        }
        let reply = inside.send(echo_of(provider, "abc")).await;
        assert_eq!(reply.status, StatusCode::OK, "{provider}");
        if provider == "cloudevents" {
            assert_eq!(
                (&reply.headers["webhook-allowed-origin"], reply.body.len()),
                (&"abc".parse().expect("text"), 0)
            );
        } else {
            assert!(text(&reply).ends_with(r#":"abc"}"#), "{provider}: {}", text(&reply));
            assert_eq!(reply.headers["content-type"], "application/json", "{provider}");
        }
        assert!(inside.heard().is_empty(), "{provider}");
    }
}

#[tokio::test]
async fn discord_is_answered_as_it_asks() {
    let key = SigningKey::generate("discord").expect("a provider of the catalogue");
    let inside = Inside::with(Webhooks::builder().source("discord", |it| key.configure(it))).await;
    let send = async |body: &'static str| {
        let signed = testing::example("discord").body(body).signed_with(&key).into_request();
        inside.webhooks.process(signed.expect("a request")).await
    };
    let interaction =
        send(r#"{"id":"1","application_id":"42","type":1,"token":"a token","version":1}"#).await;
    assert_eq!((interaction.status, text(&interaction).as_str()), (StatusCode::OK, r#"{"type":1}"#));
    assert_eq!(interaction.headers["content-type"], "application/json");
    let webhook = send(r#"{"version":1,"application_id":"42","type":0}"#).await;
    assert_eq!((webhook.status, webhook.body.len()), (StatusCode::NO_CONTENT, 0));
    assert_eq!(webhook.headers["content-type"], "application/json");
    assert!(inside.heard().is_empty());

    let ping = Post::to("discord").body(r#"{"type":1,"token":"a token"}"#);
    assert_eq!(inside.send(ping).await.status, StatusCode::UNAUTHORIZED);
    let event =
        r#"{"version":1,"application_id":"42","type":1,"event":{"type":"APPLICATION_AUTHORIZED","data":{}}}"#;
    assert_eq!(send(event).await.status, 200);
    assert_eq!(inside.heard_types(), ["APPLICATION_AUTHORIZED"], "an event has the type 1, too");
}

#[tokio::test]
async fn meta_wants_its_token() {
    let target =
        |token: &str| format!("/webhooks/meta?hub.mode=subscribe&hub.verify_token={token}&hub.challenge=1");
    let ours = Webhooks::builder().source("meta", |it| it.secret(SECRET).verify_token("ours"));
    let ours = Inside::with(ours).await;
    assert_eq!(ours.send(get(&target("ours"))).await.status, StatusCode::OK);
    for wrong in ["", "our", "ourss", "%7Bverify_token%7D"] {
        assert_eq!(ours.send(get(&target(wrong))).await.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    let none = inside("meta").await;
    assert_eq!(none.send(get(&target(""))).await.status, StatusCode::BAD_REQUEST, "no token was agreed on");
}

#[tokio::test]
async fn what_other_providers_ask() {
    let front = inside("front").await;
    let asked = scheme("front").post("front", SECRET, "", "{}").header("x-front-challenge", "abc");
    assert_eq!(text(&front.send(asked).await), r#"{"challenge":"abc"}"#);

    let okta = inside("okta").await;
    let asked = get("/webhooks/okta").header("X-Okta-Verification-Challenge", "abc");
    assert_eq!(text(&okta.send(asked).await), r#"{"verification":"abc"}"#);

    for provider in ["trello", "intercom"] {
        let builder =
            Webhooks::builder().public_url(sample::PUBLIC_URL).source(provider, |it| it.secret(SECRET));
        let head = Post::to(provider).method(Method::HEAD);
        assert_eq!(Inside::with(builder).await.send(head).await.status, StatusCode::OK, "{provider}");
    }

    let cloud = inside("cloudevents").await;
    let asked = Post::to("cloudevents")
        .method(Method::OPTIONS)
        .header("WebHook-Request-Origin", "eventemitter.example.com");
    let reply = cloud.send(asked).await;
    assert_eq!(reply.headers["webhook-allowed-origin"], "eventemitter.example.com");
    assert_eq!(reply.headers["allow"], "POST");

    let grid = inside("azure-event-grid").await;
    let body = r#"[{"eventType":"Microsoft.EventGrid.SubscriptionValidationEvent","data":{"validationCode":"512d38b6-c7b8"}}]"#;
    let asked = |target: &str| Post::at(target).header("aeg-event-type", "SubscriptionValidation").body(body);
    let reply = grid.send(asked(&format!("/webhooks/azure-event-grid?code={SECRET}"))).await;
    assert_eq!(
        (reply.status, text(&reply).as_str()),
        (StatusCode::OK, r#"{"validationResponse":"512d38b6-c7b8"}"#)
    );
    let reply = grid.send(asked("/webhooks/azure-event-grid?code=another")).await;
    assert_eq!((reply.status, reason(&reply).as_str()), (StatusCode::UNAUTHORIZED, "signature_mismatch"));

    let xero = inside("xero").await;
    let intent = r#"{"events":[],"firstEventSequence":0,"lastEventSequence":0,"entropy":"S0m3"}"#;
    let reply = xero.send(scheme("xero").post("xero", SECRET, "", intent)).await;
    assert_eq!((reply.status, reply.body.len()), (StatusCode::OK, 0));
    assert_eq!(
        xero.send(scheme("xero").post("xero", "wrong", "", intent)).await.status,
        StatusCode::UNAUTHORIZED
    );
}
