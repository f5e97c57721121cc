//! Spans: one a delivery, one a run, and what is logged in between stands in them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use support::inbox::{InboxFolder, settled};
use support::inside::{Inside, Post, Recorder};
use support::log::Log;
use support::sample;
use support::scripted::listener;
use tracing::span::{Attributes, Id, Record};
use tracing::{Level, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::{Layer, filter::LevelFilter};

/// The span of this name that a line stands in.
fn span<'l>(line: &'l Value, name: &str) -> &'l Value {
    let spans = line["spans"].as_array().unwrap_or_else(|| panic!("{line} stands in no span"));
    spans.iter().find(|it| it["name"] == name).unwrap_or_else(|| panic!("{line} stands in no {name}"))
}

fn talkative() -> impl webhooks::WebhookEventListener {
    listener("talkative", |_| async {
        tracing::info!("from the listener");
        let elsewhere = tokio::spawn(async { tracing::info!("from a task of no one's") });
        elsewhere.await?;
        Ok(())
    })
}

#[tokio::test]
async fn what_a_listener_logs_is_found_by_its_delivery() {
    let log = Log::capture();
    let webhooks = sample::sources(&["github"]).listener(talkative()).build().await.expect("it starts");
    let reply = webhooks.process(sample::of("github", "an-id").into_request()).await;

    let line = &log.lines_where("message", "from the listener")[0];
    let delivery = span(line, "delivery");
    assert_eq!(delivery["delivery"], reply.headers["webhook-delivery-id"].to_str().expect("text"));
    assert_eq!(delivery["source"], "github");
    let run = span(line, "listener");
    assert_eq!((&run["listener"], &run["event_id"]), (&"talkative".into(), &"an-id".into()));
    assert_eq!((&run["event_type"], &run["attempt"]), (&"push".into(), &1.into()));
    let told = &log.lines_where("message", "delivery")[0];
    assert_eq!(span(told, "delivery")["outcome"], "handled", "the line of the delivery stands in its span");
}

#[tokio::test]
async fn each_part_of_a_batch_has_a_span_of_its_own() {
    let log = Log::capture();
    let secret = "a secret";
    let builder = webhooks::Webhooks::builder().source("line", |it| it.secret(secret));
    let webhooks = builder.listener(talkative()).build().await.expect("it starts");
    let body = r#"{"destination":"U","events":[{"type":"message","webhookEventId":"a"},{"type":"follow","webhookEventId":"b"}]}"#;
    let post = support::described::scheme("line").post("line", secret, "", body);
    assert_eq!(webhooks.process(post.into_request()).await.status, 200);

    let lines = log.lines_where("message", "from the listener");
    let mut ids: Vec<_> = lines.iter().map(|line| span(line, "listener")["event_id"].to_string()).collect();
    ids.sort();
    assert_eq!(ids, [r#""a""#, r#""b""#]);
    assert_eq!(span(&lines[0], "delivery")["delivery"], span(&lines[1], "delivery")["delivery"]);
}

#[tokio::test]
async fn out_of_the_inbox_the_attempt_names_the_delivery_that_brought_the_event() {
    let log = Log::capture();
    let folder = InboxFolder::new();
    let webhooks = folder.sources(&["github"]).listener(talkative()).build().await.expect("it starts");
    let reply = webhooks.process(sample::of("github", "an-id").into_request()).await;
    settled(&webhooks.inbox().expect("an inbox is configured")).await;

    let line = &log.lines_where("message", "from the listener")[0];
    let attempt = span(line, "attempt");
    assert_eq!(attempt["delivery"], reply.headers["webhook-delivery-id"].to_str().expect("text"));
    assert_eq!((&attempt["source"], &attempt["is_replay"]), (&"github".into(), &false.into()));
    assert_eq!(span(line, "listener")["listener"], "talkative");
    assert!(line["spans"].as_array().expect("spans").iter().all(|it| it["name"] != "delivery"));
}

/// Notes each span that is made, and what is recorded of it.
#[derive(Clone, Default)]
struct Made(Arc<Mutex<Vec<Span>>>);

/// A span's name and fields.
type Span = (&'static str, BTreeMap<&'static str, String>);

struct Fields<'a>(&'a mut BTreeMap<&'static str, String>);

impl tracing::field::Visit for Fields<'_> {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}").trim_matches('"').to_owned());
    }
}

impl<S: Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>> Layer<S> for Made {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = BTreeMap::new();
        attributes.record(&mut Fields(&mut fields));
        let mut made = self.0.lock().expect("no panic");
        context.span(id).expect("it is new").extensions_mut().insert(made.len());
        made.push((attributes.metadata().name(), fields));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let span = context.span(id).expect("it lives");
        let Some(index) = span.extensions().get::<usize>().copied() else { return };
        values.record(&mut Fields(&mut self.0.lock().expect("no panic")[index].1));
    }
}

impl Made {
    fn names(&self) -> Vec<&'static str> {
        self.0.lock().expect("no panic").iter().map(|(name, _)| *name).collect()
    }

    fn field(&self, span: usize, name: &str) -> String {
        self.0.lock().expect("no panic")[span].1.get(name).cloned().unwrap_or_default()
    }

    /// Listens to this thread, to whatever is at least of this level.
    fn listen(level: Level) -> (Self, tracing::subscriber::DefaultGuard) {
        // The process has one subscriber for good, so that no callsite is taken to be of no interest.
        drop(Log::capture());
        let made = Self::default();
        let layer = made.clone().with_filter(LevelFilter::from_level(level));
        let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
        (made, guard)
    }
}

#[tokio::test]
async fn a_delivery_is_a_span_with_its_outcome_and_a_run_one_with_its_result() {
    let (made, _guard) = Made::listen(Level::INFO);
    let inside = Inside::answering(sample::sources(&["github"]), |_| Err("closed".into())).await;
    inside.send(sample::of("github", "an-id")).await;
    inside.send(Post::to("github")).await;
    inside.send(Post::to("unknown")).await;

    assert_eq!(made.names(), ["delivery", "listener", "delivery"], "none for what names no source");
    assert_eq!((&*made.field(0, "outcome"), &*made.field(0, "status")), ("retry", "500"));
    assert_eq!((&*made.field(1, "result"), &*made.field(1, "attempt")), ("failed", "1"));
    assert_eq!((&*made.field(2, "outcome"), &*made.field(2, "status")), ("rejected", "401"));
}

#[tokio::test]
async fn spans_that_nobody_wants_are_not_made() {
    let (made, _guard) = Made::listen(Level::WARN);
    let folder = InboxFolder::new();
    let builder = folder.sources(&["github", "stripe"]).source("github", |it| it.inbox(false));
    let webhooks = builder.listener(Recorder::new("*")).build().await.expect("it starts");
    for provider in ["github", "stripe"] {
        assert_eq!(webhooks.process(sample::of(provider, "an-id").into_request()).await.status, 200);
    }
    settled(&webhooks.inbox().expect("an inbox is configured")).await;
    assert_eq!(made.names(), Vec::<&str>::new());
}
