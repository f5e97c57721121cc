//! What providers sign, and what becomes of it: whole batches or nothing, tokens once, equal notifications each.

use std::time::Duration;

use http::StatusCode;
use support::described::{Parts, Signed, scheme};
use support::inbox::{InboxFolder, settled};
use support::inside::{Inside, Post, Recorder, reason};
use support::log::Log;
use support::sample::PUBLIC_URL;
use support::sign::now_unix;
use webhooks::{Builder, Clock, Reply, Selection, WebhookEvent, WebhookEventListener, Webhooks};

const SECRET: &str = "key-3ax6xnjp29jd6fds4gc373sgvjxteol0";

async fn inside(provider: &str) -> Inside {
    Inside::with(Webhooks::builder().public_url(PUBLIC_URL).source(provider, |it| it.secret(SECRET))).await
}

// ---- mailgun -------------------------------------------------------------------------------------

fn mailgun(token: &str) -> String {
    mailgun_at(now_unix(), token)
}

fn mailgun_at(time: i64, token: &str) -> String {
    let parts = Parts {
        secret: SECRET.to_owned(),
        time: time.unsigned_abs(),
        id: token.to_owned(),
        url: String::new(),
        body: Vec::new(),
    };
    let mailgun = scheme("mailgun");
    let (_, body): Signed = mailgun.request(&parts, &mailgun.tag(&parts));
    String::from_utf8(body).expect("text")
}

/// Handled while the provider waits, and out of an inbox, which is returned so that it outlives the test.
fn in_both_modes(provider: &str) -> [(Builder, Option<InboxFolder>); 2] {
    let source = |builder: Builder| builder.source(provider, |it| it.secret(SECRET));
    let folder = InboxFolder::new();
    [(source(Webhooks::builder()), None), (source(folder.sources(&[])), Some(folder))]
}

/// Waits until everything that was accepted is handled.
async fn handled(webhooks: &Webhooks) {
    if let Some(inbox) = webhooks.inbox() {
        settled(&inbox).await;
    }
}

#[tokio::test]
async fn mailgun_body_swap() {
    for (builder, _folder) in in_both_modes("mailgun") {
        is_good_for_one_body(Inside::with(builder).await).await;
    }
}

async fn is_good_for_one_body(mailgun_inside: Inside) {
    let genuine = mailgun("5egbgr1vjgqxtrnp65xfznchgdccwh5d6i09vijqi3whgowmn6");
    let swapped = genuine.replace(r#""id":"42""#, r#""id":"1042""#);
    assert_ne!(genuine, swapped);
    let send = |body: &str| mailgun_inside.send(Post::to("mailgun").body(body));

    assert_eq!(send(&genuine).await.status, StatusCode::OK);
    let refused = send(&swapped).await;
    assert_eq!((refused.status, reason(&refused).as_str()), (StatusCode::UNAUTHORIZED, "token_reused"));
    assert_eq!(send(&genuine).await.status, StatusCode::OK, "its own body is a duplicate");
    assert_eq!(send(&swapped).await.status, StatusCode::UNAUTHORIZED);
    handled(&mailgun_inside.webhooks).await;
    assert_eq!(mailgun_inside.heard().len(), 1);
    assert_eq!(mailgun_inside.report("mailgun").count("rejected"), 2);

    assert_eq!(send(&mailgun("another-token")).await.status, StatusCode::OK);
    handled(&mailgun_inside.webhooks).await;
    assert_eq!(mailgun_inside.heard().len(), 2);
}

/// A digit that changes sides leaves what is signed as it was, and makes another token, which no body is tied to.
#[tokio::test]
async fn mailgun_boundary_slide() {
    let inside = inside("mailgun").await;
    let time = now_unix().to_string();
    let genuine = mailgun("1abc");
    let slid = |to_time: &str, to_token: &str| {
        let body =
            genuine.replace(&format!(r#""timestamp":"{time}""#), &format!(r#""timestamp":"{to_time}""#));
        body.replace(r#""token":"1abc""#, &format!(r#""token":"{to_token}""#))
    };
    let (head, last) = time.split_at(time.len() - 1);
    for (body, code) in [
        (slid(head, &format!("{last}1abc")), "expired"),
        (slid(&format!("{time}1"), "abc"), "from_the_future"),
        (slid("", &format!("{time}1abc")), "timestamp_malformed"),
    ] {
        assert_ne!(body, genuine);
        let refused = inside.send(Post::to("mailgun").body(body)).await;
        assert_eq!((refused.status, reason(&refused).as_str()), (StatusCode::UNAUTHORIZED, code));
    }
    assert!(inside.heard().is_empty());
    assert_eq!(inside.send(Post::to("mailgun").body(genuine)).await.status, StatusCode::OK);
}

/// Once its token is forgotten, a request is too old.
#[tokio::test]
async fn mailgun_replay_after_retention() {
    for settings in ["", "idempotency.ttl_seconds = 60"] {
        let clock = Clock::turnable();
        let builder = Webhooks::builder().settings(settings.parse().expect("settings")).clock(clock.clone());
        let inside = Inside::with(builder.source("mailgun", |it| it.secret(SECRET))).await;
        let genuine = mailgun("a-token");
        let swapped = genuine.replace(r#""id":"42""#, r#""id":"1042""#);
        assert_eq!(inside.send(Post::to("mailgun").body(&genuine)).await.status, StatusCode::OK);
        let mut codes = Vec::new();
        for _ in 0..26 {
            clock.advance(Duration::from_secs(3_600));
            codes.push(reason(&inside.send(Post::to("mailgun").body(&swapped)).await));
        }
        codes.dedup();
        assert_eq!(codes, ["token_reused", "expired"], "{settings}");
        assert_eq!(inside.heard().len(), 1, "{settings}");
    }
}

#[tokio::test]
async fn mailgun_body_swap_at_once() {
    let genuine = mailgun("a-token");
    let bodies: Vec<_> = (0..8).map(|n| genuine.replace(r#""id":"42""#, &format!(r#""id":"{n}""#))).collect();
    for (builder, _folder) in in_both_modes("mailgun") {
        let inside = Inside::with(builder).await;

        let replies = bodies.iter().map(|body| inside.send(Post::to("mailgun").body(body)));
        let replies: Vec<Reply> = futures_util::future::join_all(replies).await;

        handled(&inside.webhooks).await;
        let accepted = replies.iter().filter(|it| it.status == StatusCode::OK).count();
        assert_eq!((accepted, inside.heard().len()), (1, 1));
    }
}

/// What nobody listens to is not remembered, but its token is spent.
#[tokio::test]
async fn mailgun_body_swap_of_an_ignored_event() {
    let opened = mailgun("a-token").replace("delivered", "opened");
    let delivered = mailgun("a-token");
    for (builder, _folder) in in_both_modes("mailgun") {
        let listener = Recorder::new("mailgun");
        let only = Only(listener.clone(), "delivered");
        let webhooks = builder.listener(only).build().await.expect("webhooks");

        let send = |body: &str| webhooks.process(Post::to("mailgun").body(body).into_request());
        assert_eq!(send(&opened).await.status, StatusCode::OK);
        assert_eq!(send(&delivered).await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(send(&opened).await.status, StatusCode::OK, "its own body is still ignored");
        handled(&webhooks).await;
        assert!(listener.heard().is_empty());
        if let Some(inbox) = webhooks.inbox() {
            assert!(inbox.list(Selection::new()).await.expect("an inbox").is_empty(), "nothing is stored");
        }
    }
}

/// What an inbox knows outlives the process, and with it which bodies tokens came with.
#[tokio::test]
async fn a_token_is_spent_for_the_next_process_too() {
    let opened = mailgun("a-token").replace("delivered", "opened");
    let folder = InboxFolder::new();
    for (body, status) in [(&opened, StatusCode::OK), (&mailgun("a-token"), StatusCode::UNAUTHORIZED)] {
        let builder = folder.sources(&[]).source("mailgun", |it| it.secret(SECRET));
        let only = Only(Recorder::new("mailgun"), "delivered");
        let webhooks = builder.listener(only).build().await.expect("webhooks");
        let reply = webhooks.process(Post::to("mailgun").body(body).into_request()).await;
        assert_eq!(reply.status, status);
    }
}

/// A listener to one type of event.
struct Only(Recorder, &'static str);

impl WebhookEventListener for Only {
    fn source(&self) -> &str {
        self.0.source()
    }

    fn events(&self) -> Vec<String> {
        vec![self.1.to_owned()]
    }

    async fn handle(&self, event: &WebhookEvent) -> webhooks::Result {
        self.0.handle(event).await
    }
}

// ---- microsoft graph -----------------------------------------------------------------------------

#[tokio::test]
async fn graph_one_bad_clientstate() {
    let graph = inside("microsoft-graph").await;
    let notification = |id: &str, state: &str| format!(r#"{{"id":"{id}","changeType":"created"{state}}}"#);
    let send = |notifications: Vec<String>| {
        graph.send(Post::to("microsoft-graph").body(format!(r#"{{"value":[{}]}}"#, notifications.join(","))))
    };
    let right = format!(r#","clientState":"{SECRET}""#);
    let wrong = r#","clientState":"wrong""#;

    for bad in [wrong, "", r#","clientState":null"#, r#","clientState":[]"#, r#","clientState":"""#] {
        let reply = send(vec![notification("1", &right), notification("2", bad)]).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{bad}");
        let reply = send(vec![notification("2", bad), notification("1", &right)]).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{bad}");
    }
    for twice in [format!("{right}{wrong}"), format!("{wrong}{right}"), format!("{right}{right}")] {
        assert_eq!(send(vec![notification("1", &twice)]).await.status, StatusCode::BAD_REQUEST, "{twice}");
    }
    let twice = format!(r#"{{"value":[{}],"value":[]}}"#, notification("1", wrong));
    let reply = graph.send(Post::to("microsoft-graph").body(twice)).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    assert!(graph.heard().is_empty());

    let reply = send(vec![notification("1", &right), notification("2", &right)]).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(graph.heard_ids(), ["1", "2"]);
}

// ---- dropbox -------------------------------------------------------------------------------------

#[tokio::test]
async fn dropbox_identical_bodies() {
    let dropbox = inside("dropbox").await;
    let body = r#"{"list_folder":{"accounts":["dbid:AAH4f99T0taONIb"]},"delta":{"users":[12345678]}}"#;
    for _ in 0..2 {
        let reply = dropbox.send(scheme("dropbox").post("dropbox", SECRET, "", body)).await;
        assert_eq!(reply.status, StatusCode::OK);
    }
    assert_eq!(dropbox.heard().len(), 2);
}

// ---- statuses ------------------------------------------------------------------------------------

#[tokio::test]
async fn a_status_of_the_providers_own_is_answered_and_logged() {
    let log = Log::capture();
    for (provider, header, refused) in
        [("gocardless", "Webhook-Signature", 498), ("github", "X-Hub-Signature-256", 401)]
    {
        let signature = format!("{}{}", if provider == "github" { "sha256=" } else { "" }, "0".repeat(64));
        let forged = Post::to(provider).header(header, signature).body("{}");
        let reply = inside(provider).await.send(forged).await;
        assert_eq!(reply.status.as_u16(), refused, "{provider}");
        let line = &log.lines_where("source", provider)[0];
        assert_eq!((&line["reason"], &line["status"]), (&"signature_mismatch".into(), &refused.into()));
    }
}

// ---- downgrades and boundaries -------------------------------------------------------------------

#[tokio::test]
async fn hubspot_v1_downgrade() {
    let body = r#"[{"eventId":1,"subscriptionId":2,"objectId":3,"occurredAt":4,"subscriptionType":"contact.creation"}]"#;
    let hubspot = inside("hubspot").await;
    for old in ["hubspot/v1", "hubspot/v2"] {
        let reply = hubspot.send(scheme(old).post("hubspot", SECRET, "", body)).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{old}");
        let both = scheme("hubspot").post("hubspot", "wrong", "", body);
        let old_header = scheme(old).post("hubspot", SECRET, "", body);
        let both = both.header("X-HubSpot-Signature", old_header.value("X-HubSpot-Signature"));
        assert_eq!(hubspot.send(both).await.status, StatusCode::UNAUTHORIZED, "{old} beside a wrong one");
    }
    assert!(hubspot.heard().is_empty());

    let opted_in = Webhooks::builder().source("hubspot", |it| it.secret(SECRET).variant("v1"));
    let reply =
        Inside::with(opted_in).await.send(scheme("hubspot/v1").post("hubspot", SECRET, "", body)).await;
    assert_eq!(reply.status, StatusCode::OK);
}

/// Twitch and Box join what they sign without separators; the one cannot pass for the other all the same.
#[tokio::test]
async fn boundary_slide() {
    let twitch = inside("twitch").await;
    let body = r#"{"subscription":{"type":"channel.follow"}}"#;
    let genuine = scheme("twitch").post("twitch", SECRET, "id-1", body);
    let (id, time) = ("Twitch-Eventsub-Message-Id", "Twitch-Eventsub-Message-Timestamp");
    let at = genuine.value(time).to_owned();
    let slid = [
        genuine.clone().with(id, "id-").with(time, format!("1{at}")),
        genuine.clone().with(id, format!("id-1{}", &at[..1])).with(time, &at[1..]),
        genuine.clone().with(time, &at[..at.len() - 1]).body(format!("Z{body}")),
        genuine.clone().with(time, format!("{at}{{")).body(&body[1..]),
        genuine.clone().with(id, format!("id-1{at}")).with(time, ""),
    ];
    for request in slid {
        assert_eq!(twitch.send(request.clone()).await.status, StatusCode::UNAUTHORIZED, "{request:?}");
    }
    assert_eq!(twitch.send(genuine).await.status, StatusCode::OK);

    let box_inside = inside("box").await;
    let body = r#"{"id":"1","trigger":"FILE.UPLOADED"}"#;
    let genuine = scheme("box").post("box", SECRET, "", body).header("BOX-DELIVERY-ID", "1");
    let at = genuine.value("BOX-DELIVERY-TIMESTAMP").to_owned();
    let slid = [
        genuine.clone().with("BOX-DELIVERY-TIMESTAMP", format!("}}{at}")).body(&body[..body.len() - 1]),
        genuine.clone().with("BOX-DELIVERY-TIMESTAMP", &at[1..]).body(format!("{body}{}", &at[..1])),
    ];
    for request in slid {
        assert_eq!(box_inside.send(request.clone()).await.status, StatusCode::UNAUTHORIZED, "{request:?}");
    }
    assert_eq!(box_inside.send(genuine).await.status, StatusCode::OK);
}

// ---- vendor-wide keys ----------------------------------------------------------------------------

/// The key of a test, 2048 bits; nobody signs with it here.
const PUBLIC_KEY: &str = "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----";

#[tokio::test]
async fn a_vendors_key_needs_an_expectation() {
    let wise = Webhooks::builder().source("wise", |it| it.secret(PUBLIC_KEY)).build().await;
    let report = wise.expect_err("it starts").to_string();
    assert!(report.contains("[webhooks.sources.wise.expect]"), "{report}");
}

#[tokio::test]
async fn what_is_expected_must_hold() {
    let builder = Webhooks::builder().source("github", |it| {
        it.secret(SECRET).expect("$.repository.full_name", "ours/it").expect("X-GitHub-Hook-ID", "7")
    });
    let inside = Inside::with(builder).await;
    let send = |body: &str, hook: &str| {
        let request = scheme("github").post("github", SECRET, "", body);
        let request = request.header("X-GitHub-Delivery", "1").header("X-GitHub-Event", "push");
        inside.send(request.header("X-GitHub-Hook-ID", hook))
    };
    let ours = r#"{"repository":{"full_name":"ours/it"}}"#;

    for (body, hook) in [
        (r#"{"repository":{"full_name":"theirs/it"}}"#, "7"),
        (r#"{"repository":{"full_name":"ours/it","full_name":"ours/it"}}"#, "7"),
        (r#"{"repository":{}}"#, "7"),
        (ours, "8"),
    ] {
        let reply = send(body, hook).await;
        assert_eq!(
            (reply.status, reason(&reply).as_str()),
            (StatusCode::UNAUTHORIZED, "not_for_us"),
            "{body}"
        );
    }
    assert_eq!(send(ours, "7").await.status, StatusCode::OK);
    assert_eq!(inside.heard().len(), 1);
}

// ---- cloudevents ---------------------------------------------------------------------------------

/// An id is its source's own: two producers that count from 1 send different events, even of one content.
#[tokio::test]
async fn cloudevents_ids_are_their_sources() {
    let inside = inside("cloudevents").await;
    let send = |source: &str, id: &str| {
        let post = Post::to("cloudevents").body("{}").header("Authorization", format!("Bearer {SECRET}"));
        let post = post.header("ce-type", "com.example.created").header("ce-id", id);
        inside.send(if source.is_empty() { post } else { post.header("ce-source", source) })
    };
    for (source, id) in [("/a", "1"), ("/b", "1"), ("/a", "1"), ("/a", "2")] {
        assert_eq!(send(source, id).await.status, StatusCode::OK, "{source} {id}");
    }
    let ids: Vec<_> = inside.heard().iter().map(|it| it.id().map(str::to_owned)).collect();
    assert_eq!(ids, ["/a+1", "/b+1", "/a+2"].map(|it| Some(it.to_owned())));

    for id in ["1", "3"] {
        let structured = r#"{"specversion":"1.0","id":"ID","source":"/a","type":"com.example.created"}"#;
        let post = Post::to("cloudevents").header("Authorization", format!("Bearer {SECRET}"));
        assert_eq!(inside.send(post.body(structured.replace("ID", id))).await.status, StatusCode::OK);
    }
    assert_eq!(inside.heard_ids()[3..], ["/a+3"], "the first of them came before, in another form");

    let nameless = send("", "3").await;
    assert_eq!((nameless.status, reason(&nameless).as_str()), (StatusCode::BAD_REQUEST, "id_missing"));
    let empty = send("/a", "").await;
    assert_eq!(empty.status, StatusCode::BAD_REQUEST);
}
