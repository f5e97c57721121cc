//! Annotated functions: which events they hear, what they take, what they return, what follows a failure.

use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::HeaderMap;
use support::inside::{Inside, Post, Recorder};
use support::log::Log;
use support::{sample, sign};
use webhooks::{
    Attempt, Event, Failure, FromEvent, OrPermanent, State, WebhookEvent, Webhooks, listeners,
    webhook_listener,
};

/// What the listeners below write down.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn add(&self, note: impl Into<String>) {
        self.0.lock().expect("nobody panics in here").push(note.into());
    }

    /// What was written since, in the order of the alphabet: listeners of one event run side by side.
    fn take(&self) -> Vec<String> {
        let mut notes = std::mem::take(&mut *self.0.lock().expect("nobody panics in here"));
        notes.sort();
        notes
    }
}

fn hmac_and_notes() -> (webhooks::Builder, Notes) {
    let notes = Notes::default();
    (sample::sources(&["hmac"]).state(notes.clone()), notes)
}

/// An event of this type, from anybody.
fn of_type(kind: &str) -> Post {
    sample::hmac(&format!("id of {kind}"), &format!(r#"{{"type":"{kind}"}}"#))
}

async fn built(builder: webhooks::Builder) -> Webhooks {
    builder.build().await.unwrap_or_else(|error| panic!("{error}"))
}

// ---- which events ----------------------------------------------------------------------------------

#[webhook_listener(source = "hmac", event = "invoice.paid")]
async fn exact(notes: State<Notes>) {
    notes.add("exact");
}

#[webhook_listener(source = "hmac", event = "invoice.*")]
async fn under(notes: State<Notes>) {
    notes.add("under");
}

#[webhook_listener(source = "hmac", event = ["customer.created", "order/*", "user:*"])]
async fn list(notes: State<Notes>) {
    notes.add("list");
}

#[webhook_listener(source = "hmac", event = "*")]
async fn star(notes: State<Notes>) {
    notes.add("star");
}

#[webhook_listener(source = "hmac")]
async fn every(notes: State<Notes>) {
    notes.add("every");
}

#[webhook_listener(source = "*", event = "invoice.paid")]
async fn any_source(notes: State<Notes>) {
    notes.add("any source");
}

#[webhook_listener(source = "stripe")]
async fn another_source(notes: State<Notes>) {
    notes.add("another source");
}

#[tokio::test]
async fn event_patterns() {
    let notes = Notes::default();
    let all = listeners![exact, under, list, star, every, any_source, another_source];
    let webhooks = built(sample::sources(&["hmac", "stripe"]).state(notes.clone()).listeners(all)).await;
    for (kind, heard_by) in [
        ("invoice.paid", &["any source", "every", "exact", "star", "under"][..]),
        ("invoice.paid.late", &["every", "star", "under"]),
        ("invoice", &["every", "star", "under"]),
        ("invoices.paid", &["every", "star"]),
        ("invoice/paid", &["every", "star"]),
        ("Invoice.paid", &["every", "star"]),
        ("customer.created", &["every", "list", "star"]),
        ("customer.created.twice", &["every", "star"]),
        ("order/created", &["every", "list", "star"]),
        ("order", &["every", "list", "star"]),
        ("user:created", &["every", "list", "star"]),
        ("*", &["every", "star"]),
        ("invoice.*", &["every", "star", "under"]),
    ] {
        webhooks.process(of_type(kind).into_request()).await;
        assert_eq!(notes.take(), heard_by, "{kind}");
    }
}

#[tokio::test]
async fn an_event_that_nobody_hears_is_ignored_and_not_remembered() {
    let (builder, notes) = hmac_and_notes();
    let webhooks = built(builder.listeners(listeners![exact])).await;
    let handle = webhooks.handle();

    for _ in 0..2 {
        assert_eq!(webhooks.process(of_type("invoice.sent").into_request()).await.status, 200);
    }

    let (_, report) = handle.processor().report().remove(0);
    assert_eq!(report.outcomes, [("ignored", 2)]);
    assert!(notes.take().is_empty());
}

// ---- what they take ----------------------------------------------------------------------------------

#[derive(Debug, serde::Deserialize)]
struct Payment {
    id: String,
    amount: u64,
}

/// An argument of the user's own.
struct Tenant(String);

impl FromEvent for Tenant {
    async fn from_event(event: &WebhookEvent) -> webhooks::Result<Self> {
        let tenant = event.headers().get("x-tenant").ok_or("no x-tenant header")?;
        Ok(Self(tenant.to_str()?.to_owned()))
    }
}

struct NeverGiven;

#[webhook_listener(source = "stripe", event = "payment_intent.succeeded", id = "billing::everything")]
#[expect(clippy::too_many_arguments, reason = "one of each")]
async fn everything(
    attempt: Attempt,
    notes: State<Notes>,
    Event(payment): Event<Payment>,
    headers: HeaderMap,
    event: WebhookEvent,
    body: Bytes,
    Tenant(tenant): Tenant,
    missing: Option<State<NeverGiven>>,
    given: Option<State<Notes>>,
    Event(untyped): Event<serde_json::Value>,
) -> webhooks::Result {
    notes.add(format!("attempt {}", attempt.0));
    notes.add(format!("body of {} bytes", body.len()));
    notes.add(format!("event {} {}", event.id().unwrap_or("-"), event.event_type()));
    notes.add(format!("headers with {}", headers["x-tenant"].to_str()?));
    notes.add(format!("payment {} of {}", payment.id, payment.amount));
    notes.add(format!("state {} {}", missing.is_some(), given.is_some()));
    notes.add(format!("tenant {tenant}"));
    notes.add(format!("untyped {}", untyped["amount"]));
    Ok(())
}

#[tokio::test]
async fn extractors_in_any_number_and_order() {
    let notes = Notes::default();
    let builder = sample::sources(&["stripe"]).state(notes.clone());
    let webhooks = built(builder.listeners(listeners![everything])).await;
    let body_length = sample::stripe_body("evt_1").len();

    let reply =
        webhooks.process(sample::of("stripe", "evt_1").header("x-tenant", "acme").into_request()).await;

    assert_eq!(reply.status, 200);
    let expected = [
        "attempt 1",
        &format!("body of {body_length} bytes"),
        "event evt_1 payment_intent.succeeded",
        "headers with acme",
        "payment pi_1 of 4200",
        "state false true",
        "tenant acme",
        "untyped 4200",
    ];
    assert_eq!(notes.take(), expected);
}

#[tokio::test]
async fn an_argument_that_cannot_be_made_is_a_failure() {
    let notes = Notes::default();
    let builder = sample::sources(&["stripe"]).state(notes.clone());
    let webhooks = built(builder.listeners(listeners![everything])).await;

    let without_tenant = webhooks.process(sample::of("stripe", "evt_1").into_request()).await;

    assert_eq!(without_tenant.status, 500);
    assert!(notes.take().is_empty(), "it ran");
}

#[tokio::test]
async fn a_payload_of_another_type_is_to_be_tried_again_and_never_shown() {
    let log = Log::capture();
    let builder = sample::sources(&["stripe"]).state(Notes::default());
    let webhooks = built(builder.listeners(listeners![everything])).await;
    let body = sample::stripe_body("evt_1").replace("4200", "\"4242 4242\"");

    let reply = webhooks.process(sample::stripe(&body).header("x-tenant", "acme").into_request()).await;

    assert_eq!(reply.status, 500);
    let line = &log.lines_where("message", "listener failed")[0];
    assert_eq!(line["listener"], "billing::everything");
    let error = line["error"].as_str().expect("text");
    assert!(error.contains("`Payment`") && error.contains("`amount`"), "{error}");
    assert!(!log.lines().iter().any(|line| line.to_string().contains("4242")), "the value was logged");
}

#[tokio::test]
async fn missing_state_is_found_at_startup() {
    let error =
        sample::sources(&["hmac"]).listeners(listeners![exact, under]).build().await.expect_err("state");
    assert_eq!(error.problems().len(), 2, "{error}");
    assert!(error.to_string().contains("takes `State<Notes>`, but no `Notes` was given"), "{error}");
}

#[tokio::test]
async fn the_function_stays_callable() {
    let (_, notes) = hmac_and_notes();
    let webhooks =
        built(sample::sources(&["hmac"]).state(notes.clone()).listeners(listeners![callable])).await;
    drop(webhooks);
    callable(Attempt(7)).await.expect("it succeeds");
}

#[webhook_listener(source = "hmac")]
async fn callable(attempt: Attempt) -> webhooks::Result {
    if attempt == Attempt(7) { Ok(()) } else { Err("not the seventh".into()) }
}

// ---- what they return ----------------------------------------------------------------------------------

#[webhook_listener(source = "hmac", event = "nothing")]
async fn returns_nothing() {}

#[webhook_listener(source = "hmac", event = "io")]
async fn returns_io(Event(body): Event<serde_json::Value>) -> Result<(), io::Error> {
    if body["fail"] == true { Err(io::Error::other("disk full")) } else { Ok(()) }
}

#[webhook_listener(source = "hmac", event = "string")]
async fn returns_string() -> Result<(), String> {
    Err("a plain text".to_owned())
}

#[webhook_listener(source = "hmac", event = "question")]
async fn returns_with_question_mark() -> webhooks::Result {
    let _: u64 = "ten".parse()?;
    Ok(())
}

#[webhook_listener(source = "hmac", event = "permanent")]
async fn returns_permanent() -> webhooks::Result {
    let _: u64 = "ten".parse().or_permanent()?;
    Ok(())
}

#[tokio::test]
async fn return_types() {
    let all = listeners![
        returns_nothing,
        returns_io,
        returns_string,
        returns_with_question_mark,
        returns_permanent
    ];
    let webhooks = built(sample::sources(&["hmac"]).listeners(all)).await;
    for (kind, status) in
        [("nothing", 200), ("io", 200), ("string", 500), ("question", 500), ("permanent", 200)]
    {
        let reply = webhooks.process(of_type(kind).into_request()).await;
        assert_eq!(reply.status, status, "{kind}");
    }
    let failing = sample::hmac("another id", r#"{"type":"io","fail":true}"#);
    assert_eq!(webhooks.process(failing.into_request()).await.status, 500);
}

// ---- after a failure -----------------------------------------------------------------------------------

#[webhook_listener(source = "hmac", on_error = told)]
async fn fails() -> webhooks::Result {
    Err(Failure::permanent(io::Error::other("no such customer")))
}

async fn told(event: &WebhookEvent, failure: &Failure) {
    let _ = event.id();
    TOLD.lock().expect("nobody panics in here").push(format!("{failure} {}", failure.is_permanent()));
}

static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());

#[tokio::test]
async fn on_error_is_told_the_failure() {
    let webhooks = built(sample::sources(&["hmac"]).listeners(listeners![fails])).await;
    webhooks.process(of_type("a").into_request()).await;
    assert_eq!(*TOLD.lock().expect("nobody panics in here"), ["no such customer true"]);
}

#[tokio::test]
async fn on_error_of_a_trait_listener_is_told_the_failure() {
    let listener = Recorder::answering("hmac", |_| Err("closed".into()));
    let webhooks = built(sample::sources(&["hmac"]).listener(listener.clone())).await;
    let signed = of_type("a");
    webhooks.process(signed.clone().into_request()).await;
    webhooks.process(signed.into_request()).await;
    assert_eq!(listener.failed(), ["closed", "closed"]);
    let attempts: Vec<_> = listener.heard().iter().map(WebhookEvent::attempt).collect();
    assert_eq!(attempts, [1, 2]);
}

#[tokio::test]
async fn the_failure_is_logged_with_all_that_finds_it() {
    let log = Log::capture();
    let inside =
        Inside::answering(sample::sources(&["hmac"]), |_| Err(io::Error::other("closed").into())).await;
    inside.send(of_type("a")).await;
    let line = &log.lines_where("message", "listener failed")[0];
    assert_eq!(line["level"], "WARN");
    let facts = ["source", "event_id", "listener", "error"].map(|field| line[field].as_str().expect("text"));
    assert_eq!(facts, ["hmac", "id of a", "recorder of *", "closed"]);
    assert_eq!(line["attempt"], 1);
}

#[tokio::test]
async fn an_event_carries_its_facts() {
    let inside = Inside::with(sample::sources(&["stripe"])).await;
    let body = sample::stripe_body("evt_1");
    let now = sign::now_unix();
    let headers = sign::stripe(sample::secret("stripe"), now, body.as_bytes());
    inside.send(Post::to("stripe").headers(headers).body(&body)).await;

    let event = inside.heard().remove(0);

    assert_eq!((event.source(), event.id(), event.attempt()), ("stripe", Some("evt_1"), 1));
    assert_eq!(event.payload(), r#"{"id":"pi_1","amount":4200}"#);
    assert_eq!(event.body(), &body);
    assert_eq!(event.signed_at(), Some(std::time::UNIX_EPOCH + std::time::Duration::from_secs(now as u64)));
    assert!(event.received_at() >= event.signed_at().expect("a time"));
    assert!(!format!("{event:?}").contains("pi_1"), "Debug prints sizes, never content");
}
