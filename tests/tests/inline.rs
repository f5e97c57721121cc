//! Inline mode: what becomes of a run that hangs, fails, panics or loses its client.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use support::inside::{Inside, Post, Recorder, reason};
use support::log::Log;
use support::process::PATIENCE;
use support::scripted::{Count, Gate, Shared, listener};
use support::{http, sample, sign};
use tokio::time::timeout;
use webhooks::{
    Builder, Event, Failure, InMemoryWebhookEventStore, Reply, WebhookEvent, WebhookEventListener, Webhooks,
    webhook_listener,
};

const BODY: &str = r#"{"type":"order.paid","amount":42}"#;

/// The one event of these tests, sent again and again.
fn event() -> Post {
    Post::to("hmac").headers(sign::hmac(sample::secret("hmac"), "1", BODY.as_bytes())).body(BODY)
}

fn settings(text: &str) -> Builder {
    let builder = Webhooks::builder().settings(text.parse().expect("settings"));
    builder.source("hmac", |source| source.secret(sample::secret("hmac")))
}

async fn build(builder: Builder) -> Webhooks {
    builder.build().await.unwrap_or_else(|error| panic!("{error}"))
}

async fn send(webhooks: &Webhooks) -> Reply {
    webhooks.process(event().into_request()).await
}

/// The longest time there is, and a little more when it is rounded up.
#[tokio::test]
async fn a_retry_that_will_never_be() {
    let never = |_: &WebhookEvent| Err(Failure::retry_after(Duration::MAX, "never"));
    let inside = Inside::answering(sample::sources(&["hmac"]), never).await;
    let reply = inside.send(event()).await;
    assert_eq!((reply.status.as_u16(), &reply.headers["retry-after"]), (503, &u64::MAX.into()));
}

#[tokio::test(start_paused = true)]
async fn hung_listener_times_out() {
    let log = Log::capture();
    let attempts = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&attempts);
    let hangs_once = listener("work", move |event: WebhookEvent| {
        let seen = Arc::clone(&seen);
        async move {
            seen.lock().expect("no panic in here").push(event.attempt());
            if event.attempt() == 1 {
                std::future::pending::<()>().await;
            }
            Ok(())
        }
    });
    // One slot: were it not given back, the second delivery would find none.
    let webhooks = build(settings("max_in_flight = 1\ninline.timeout = \"7s\"").listener(hangs_once)).await;
    let began = tokio::time::Instant::now();
    assert_eq!(send(&webhooks).await.status, 500);
    assert_eq!(began.elapsed().as_secs(), 7);
    let warning = &log.lines_where("message", "listener failed")[0];
    assert_eq!(warning["error"], "cancelled after its timeout of 7s");
    assert_eq!(send(&webhooks).await.status, 200, "it was released");
    assert_eq!(*attempts.lock().expect("no panic"), [1, 2]);
}

#[tokio::test]
async fn poison_capped_inline() {
    let log = Log::capture();
    let inside = Inside::answering(settings("inline.max_attempts = 3"), |_| Err("always".into())).await;
    for expected in [500, 500, 200] {
        assert_eq!(inside.send(event()).await.status, expected);
    }
    assert_eq!(inside.heard().len(), 3);
    assert_eq!(inside.report("hmac").count("dead"), 1);
    let errors = log.lines_where("level", "ERROR");
    assert_eq!(errors.len(), 1, "one line: after a 200 it is the last trace");
    assert_eq!(errors[0]["message"], "event is dead");
    assert_eq!(errors[0]["listener"], "recorder of *");
    assert_eq!(errors[0]["reason"], "attempts_exhausted");
    assert_eq!(errors[0]["event_id"], "1");
}

#[derive(serde::Deserialize)]
struct Mistaken {
    amount: String,
}

#[derive(serde::Deserialize)]
struct Fixed {
    amount: u64,
}

mod mistaken {
    use super::*;

    #[webhook_listener(source = "hmac", event = "order.paid", id = "on_paid")]
    pub(super) async fn on_paid(Event(order): Event<Mistaken>) {
        panic!("{} is no string", order.amount);
    }
}

mod fixed {
    use super::*;

    #[webhook_listener(source = "hmac", event = "order.paid", id = "on_paid")]
    pub(super) async fn on_paid(Event(order): Event<Fixed>, paid: webhooks::State<Mutex<Vec<u64>>>) {
        paid.lock().expect("no panic in here").push(order.amount);
    }
}

#[tokio::test]
async fn bad_type_is_recoverable() {
    let log = Log::capture();
    let store = Shared::new(InMemoryWebhookEventStore::new());
    let mistaken = settings("").listeners(webhooks::listeners![mistaken::on_paid]).store(store.clone());
    let mistaken = build(mistaken).await;
    assert_eq!(send(&mistaken).await.status, 500, "never taken for a bad signature");
    let told = log.lines_where("message", "listener failed")[0]["error"].to_string();
    assert!(told.contains("Mistaken") && told.contains("amount"), "{told}");
    assert!(!told.contains("42"), "the value is not told: {told}");

    let paid = Arc::new(Mutex::new(Vec::<u64>::new()));
    let fixed = settings("").listeners(webhooks::listeners![fixed::on_paid]).store(store);
    let fixed = build(fixed.shared_state(Arc::clone(&paid))).await;
    assert_eq!(send(&fixed).await.status, 200);
    assert_eq!(*paid.lock().expect("no panic"), [42]);
}

#[tokio::test]
async fn dead_then_redelivered() {
    let log = Log::capture();
    let inside = Inside::answering(settings(""), |event| match event.attempt() {
        1 => Err(Failure::permanent("no such customer")),
        _ => Ok(()),
    })
    .await;
    assert_eq!(inside.send(event()).await.status, 200);
    assert_eq!(log.lines_where("reason", "permanent").len(), 1);
    assert_eq!(inside.report("hmac").count("dead"), 1);
    assert_eq!(inside.send(event()).await.status, 200, "almost always a human's");
    let attempts: Vec<_> = inside.heard().iter().map(WebhookEvent::attempt).collect();
    assert_eq!(attempts, [1, 2]);
    assert_eq!(inside.report("hmac").count("handled"), 1);
    assert_eq!(inside.send(event()).await.status, 200);
    assert_eq!(inside.heard().len(), 2);
}

#[tokio::test]
async fn late_listener() {
    let store = Shared::new(InMemoryWebhookEventStore::new());
    let elsewhere = listener("elsewhere", |_| async { Ok(()) }).hearing("order.refunded");
    let before = build(settings("").store(store.clone()).listener(elsewhere)).await;
    assert_eq!(send(&before).await.status, 200);
    let (_, report) = before.handle().processor().report().remove(0);
    assert_eq!(report.count("ignored"), 1);
    assert!(store.store().is_empty(), "what nobody hears leaves no trace");

    let recorder = Recorder::new("hmac");
    let after = build(settings("").store(store).listener(recorder.clone())).await;
    assert_eq!(send(&after).await.status, 200);
    assert_eq!(recorder.heard().len(), 1);
}

#[tokio::test]
async fn client_hangup() {
    let (started, ended, gate) = (Count::new(), Count::new(), Gate::closed());
    let (start, end, held) = (started.clone(), ended.clone(), gate.clone());
    let slow = listener("work", move |_| {
        let (start, end, held) = (start.clone(), end.clone(), held.clone());
        async move {
            start.add();
            held.pass().await;
            end.add();
            Ok(())
        }
    });
    let webhooks = build(settings("").listener(slow)).await;
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = socket.local_addr().expect("it is bound");
    tokio::spawn(webhooks.serve_on(socket));
    let headers = sign::hmac(sample::secret("hmac"), "1", BODY.as_bytes());
    let request = http::Request::post("/webhooks/hmac").headers(headers).body(BODY);

    let mut client = http::Connection::open(address).await.expect("it listens");
    client.write(&[&request.head()[..], BODY.as_bytes()].concat()).await.expect("written");
    started.reach(1).await;
    drop(client);
    // The server notices a closed connection when it is told of it: by then another request has been served.
    assert_eq!(http::Request::new("GET", "/livez").send(address).await.expect("an answer").status, 200);
    gate.open();
    ended.reach(1).await;
    let again = request.send(address).await.expect("an answer");
    assert_eq!(again.status, 200);
    assert_eq!((started.get(), ended.get()), (1, 1), "completed once");
}

#[tokio::test]
async fn a_dropped_call_cancels_nothing() {
    let (started, ended, gate) = (Count::new(), Count::new(), Gate::closed());
    let (start, end, held) = (started.clone(), ended.clone(), gate.clone());
    let slow = listener("work", move |_| {
        let (start, end, held) = (start.clone(), end.clone(), held.clone());
        async move {
            start.add();
            held.pass().await;
            end.add();
            Ok(())
        }
    });
    let webhooks = build(settings("").listener(slow)).await;
    tokio::select! {
        _ = send(&webhooks) => panic!("it is held"),
        () = started.reach(1) => {}
    }
    gate.open();
    ended.reach(1).await;
    assert_eq!(send(&webhooks).await.status, 200);
    assert_eq!(started.get(), 1);
}

#[tokio::test]
async fn panic_is_a_failure() {
    let log = Log::capture();
    let inside = Inside::answering(settings(""), |event| {
        assert!(event.attempt() > 1, "the first attempt");
        Ok(())
    })
    .await;
    assert_eq!(inside.send(event()).await.status, 500);
    assert_eq!(log.lines_where("message", "listener failed")[0]["error"], "panicked: the first attempt");
    assert_eq!(inside.send(event()).await.status, 200, "it was released");
    assert_eq!(inside.heard().len(), 2);
}

struct PanicsTwice;

impl WebhookEventListener for PanicsTwice {
    fn source(&self) -> &str {
        "hmac"
    }

    async fn handle(&self, event: &WebhookEvent) -> webhooks::Result {
        if event.attempt() == 1 { Err("the first attempt".into()) } else { Ok(()) }
    }

    async fn on_error(&self, _: &WebhookEvent, failure: &Failure) {
        panic!("on_error of: {failure}");
    }
}

#[tokio::test]
async fn on_error_that_panics() {
    let log = Log::capture();
    let webhooks = build(settings("").listener(PanicsTwice)).await;
    assert_eq!(send(&webhooks).await.status, 500);
    assert_eq!(log.lines_where("message", "listener failed")[0]["error"], "the first attempt");
    let second = &log.lines_where("message", "on_error failed")[0];
    assert_eq!(second["error"], "panicked: on_error of: the first attempt");
    assert_eq!(send(&webhooks).await.status, 200, "it changed nothing");
}

async fn on_failure(_: &WebhookEvent, failure: &Failure) -> webhooks::Result {
    Err(format!("cannot tell anyone of: {failure}").into())
}

#[webhook_listener(source = "hmac", on_error = on_failure)]
async fn never_content() -> Result<(), &'static str> {
    Err("no")
}

#[tokio::test]
async fn on_error_that_fails() {
    let log = Log::capture();
    let webhooks = build(settings("").listeners(webhooks::listeners![never_content])).await;
    assert_eq!(send(&webhooks).await.status, 500);
    assert_eq!(log.lines_where("message", "on_error failed")[0]["error"], "cannot tell anyone of: no");
}

#[tokio::test]
async fn on_error_is_told_of_each_failure() {
    let recorder = Recorder::answering("hmac", |event| Err(format!("attempt {}", event.attempt()).into()));
    let webhooks = build(settings("").listener(recorder.clone())).await;
    send(&webhooks).await;
    send(&webhooks).await;
    assert_eq!(recorder.failed(), ["attempt 1", "attempt 2"]);
}

#[tokio::test]
async fn one_failing_does_not_stop_others() {
    let (failed, gate) = (Count::new(), Gate::closed());
    let done = Count::new();
    let (fail, finish, held) = (failed.clone(), done.clone(), gate.clone());
    let fails = listener("fails", move |event: WebhookEvent| {
        fail.add();
        async move { if event.attempt() == 1 { Err("at once".into()) } else { Ok(()) } }
    });
    let panics = listener("panics", |event: WebhookEvent| async move {
        assert!(event.attempt() > 1, "at once");
        Ok(())
    });
    let slow = listener("slow", move |_| {
        let (finish, held) = (finish.clone(), held.clone());
        async move {
            held.pass().await;
            finish.add();
            Ok(())
        }
    });
    let webhooks = build(settings("").listener(fails).listener(panics).listener(slow)).await;
    let opened = async {
        failed.reach(1).await;
        gate.open();
    };
    let (reply, ()) = tokio::join!(send(&webhooks), opened);
    assert_eq!(reply.status, 500);
    assert_eq!(done.get(), 1, "it was let finish");
    assert_eq!(send(&webhooks).await.status, 200);
    assert_eq!((failed.get(), done.get()), (2, 1), "only the failed ones ran again");
}

#[tokio::test]
async fn a_listener_that_names_a_time_is_answered_503() {
    let inside = Inside::answering(settings(""), |_| {
        Err(Failure::retry_after(Duration::from_millis(90_500), "the ledger is closed"))
    })
    .await;
    let reply = timeout(PATIENCE, inside.send(event())).await.expect("an answer");
    assert_eq!((reply.status.as_u16(), &*reason(&reply)), (503, "retry"));
    assert_eq!(reply.headers["retry-after"], "91");
}
