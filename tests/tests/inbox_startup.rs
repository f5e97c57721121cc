//! What startup says of an inbox, and of what does not fit to it.

use std::path::Path;

use support::inbox::{InboxFolder, settled, until};
use support::inside::{Inside, Recorder};
use support::log::Log;
use support::sample;
use webhooks::{
    OnDead, OrderBy, RunState, Selection, Settings, WebhookEvent, WebhookEventListener, Webhooks,
};

/// The texts of what was warned of.
fn warnings(log: &Log) -> Vec<String> {
    let lines = log.lines_where("level", "WARN");
    lines.iter().map(|line| format!("{} {}", line["message"], line["help"])).collect()
}

#[tokio::test]
async fn the_embedded_one_is_used_if_none_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("webhooks.db");
    let settings: Settings = format!("[inbox]\npath = \"{}\"", file.display()).parse().expect("settings");
    let builder = Webhooks::builder()
        .settings(settings)
        .source("stripe", |source| source.secret(sample::secret("stripe")));
    let inside = Inside::with(builder).await;
    assert_eq!(inside.send(sample::of("stripe", "evt_1")).await.status, 200);
    assert_eq!(inside.report("stripe").count("stored"), 1);
    settled(&inside.webhooks.inbox().expect("an inbox")).await;
    assert!(file.exists());
}

#[tokio::test]
async fn with_none_there_is_none() {
    let settings: Settings = "[inbox]\nprovider = \"none\"".parse().expect("settings");
    let builder = Webhooks::builder()
        .settings(settings)
        .source("stripe", |source| source.secret(sample::secret("stripe")));
    let inside = Inside::with(builder).await;
    assert!(inside.webhooks.inbox().is_none());
}

#[tokio::test]
async fn a_url_without_a_provider_is_no_sqlite() {
    let settings: Settings = "[inbox]\nurl = \"postgres://localhost/x\"".parse().expect("settings");
    let error =
        Webhooks::builder().settings(settings).build().await.expect_err("it is not clear").to_string();
    assert!(error.contains("`url` is PostgreSQL's") && error.contains("provider = \"postgres\""), "{error}");
}

/// Asks for its events in order.
struct Ordered;

impl WebhookEventListener for Ordered {
    fn source(&self) -> &str {
        "*"
    }

    fn order_by(&self) -> Option<OrderBy> {
        Some(OrderBy { pointer: "/customer", on_dead: OnDead::Skip })
    }

    async fn handle(&self, _: &WebhookEvent) -> webhooks::Result {
        Ok(())
    }
}

#[tokio::test]
async fn what_is_ordered_and_inline_is_warned_of() {
    let (folder, log) = (InboxFolder::new(), Log::capture());
    let builder = folder.sources(&["stripe", "github"]).source("github", |source| source.inbox(false));
    let _webhooks = builder.listener(Ordered).build().await.expect("it starts");
    let warnings = warnings(&log);
    let ordered: Vec<_> = warnings.iter().filter(|it| it.contains("is ordered")).collect();
    assert_eq!(ordered.len(), 1, "{warnings:?}");
    assert!(ordered[0].contains("github") && ordered[0].contains("mode = "), "{ordered:?}");
}

#[tokio::test]
async fn a_place_that_forgets_is_warned_of() {
    let memory = Path::new("/dev/shm");
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("Linux");
    assert!(
        mounts.contains(" /dev/shm ") && mounts.contains(" - tmpfs "),
        "no file system in memory to test with"
    );
    let (place, log) = (tempfile::tempdir_in(memory).expect("a folder in memory"), Log::capture());
    let folder = InboxFolder::at(place.path());
    drop(Inside::with(folder.sources(&["stripe"])).await);
    let warnings = warnings(&log);
    let found =
        |it: &String| it.contains("is on tmpfs, in memory: a restart") && it.contains("webhooks.inbox.path");
    assert!(warnings.iter().any(found), "{warnings:?}");
}

#[tokio::test]
async fn runs_that_wait_in_vain_are_told_at_once_with_the_remedy() {
    let folder = InboxFolder::new();
    let older = Inside::with(folder.sources(&["stripe"])).await;
    older.send(sample::of("stripe", "evt_1")).await;
    let inbox = older.webhooks.inbox().expect("an inbox");
    settled(&inbox).await;
    inbox.replay(Selection::new().state(RunState::Done)).await.expect("an inbox");
    drop((older, inbox));

    let log = Log::capture();
    let renamed = folder.sources(&["stripe"]).listener(Recorder::new("stripe"));
    let _renamed = renamed.build().await.expect("it starts");
    until(async || warnings(&log).iter().any(|it| it.contains("runs wait for a listener that is not there")))
        .await;
    let told = warnings(&log).concat();
    assert!(told.contains(r#"`id = \"recorder of *\"`"#), "{told}");
}

#[tokio::test]
async fn a_file_of_something_else_is_refused() {
    let folder = InboxFolder::new();
    std::fs::write(folder.file(), "no database at all, but a text of some length".repeat(20))
        .expect("a file");
    let error = folder.sources(&["stripe"]).listener(Recorder::new("stripe")).build().await;
    let error = error.expect_err("it is no inbox").to_string();
    assert!(error.contains("webhooks.db: ") && error.contains("a file of this service's own"), "{error}");
}

#[tokio::test]
async fn a_signatures_header_cannot_be_kept_whatever_it_is_called() {
    let folder = InboxFolder::new().setting("keep_headers = [\"X-Trello-Webhook\"]");
    let builder = folder.sources(&[]).source("trello", |source| source.secret("a secret of some length"));
    let error = builder.listener(Recorder::new("trello")).build().await.expect_err("it is a signature");
    let complaint = "`X-Trello-Webhook` in webhooks.inbox.keep_headers carries the signature of";
    assert!(error.to_string().contains(complaint), "{error}");
}

#[tokio::test]
async fn settings_that_do_not_fit_are_found_at_startup() {
    let builder = sample::sources(&["stripe"]).source("stripe", |source| source.inbox(true));
    let error = builder.listener(Recorder::new("stripe")).build().await.expect_err("there is no inbox");
    assert!(error.to_string().contains("no inbox is configured"), "{error}");
    for (line, complaint) in [
        ("max_attempts = 0", "with 0, nothing could ever run"),
        ("keep_headers = [\"Authorization\"]", "proves an identity"),
        ("keep_dome = \"1d\"", "keep_done"),
    ] {
        let folder = InboxFolder::new().setting(line);
        let error = folder.sources(&["stripe"]).listener(Recorder::new("stripe")).build().await;
        let error = error.expect_err(line).to_string();
        assert!(error.contains(complaint), "{error}");
        assert!(!folder.file().exists(), "what does not start leaves no file behind");
    }
}
