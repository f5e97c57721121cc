//! Webhooks with an inbox, in a file or in PostgreSQL: in the test's own process, and in a `probe` that can be killed.

use std::collections::{BTreeSet, HashMap};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use webhooks::{Builder, RunState, Selection, Settings, WebhookInbox, Webhooks};

use crate::http::{Request, Response};
use crate::inside::Recorder;
use crate::postgres_server::PostgresServer;
use crate::process::{PATIENCE, Process, Program};
use crate::{free_port, sample, sign};

/// A folder with an inbox in it, which outlives those who work it off.
#[derive(Debug)]
pub struct InboxFolder {
    place: PathBuf,
    /// Lines of `[webhooks]`, and of `[webhooks.inbox]`.
    general: String,
    settings: String,
    /// Where the inbox is, if it is not in the folder: a server, and the address of a database of its own.
    postgres: Option<(Arc<PostgresServer>, String)>,
    _folder: Option<TempDir>,
}

impl InboxFolder {
    /// A new one, in which retries come at once.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let place = Self::at(folder.path());
        Self { _folder: Some(folder), ..place }
    }

    /// A new one, whose inbox is in PostgreSQL.
    pub fn in_postgres() -> Self {
        let server = PostgresServer::shared();
        let url = server.database();
        Self { postgres: Some((server, url)), ..Self::new() }
    }

    /// In a folder of the test's own.
    pub fn at(place: &Path) -> Self {
        Self {
            place: place.to_owned(),
            general: "drain_delay = \"0s\"\n".to_owned(),
            settings: "backoff = \"1ms\"\n".to_owned(),
            postgres: None,
            _folder: None,
        }
    }

    /// With another line of `[webhooks.inbox]`.
    pub fn setting(mut self, line: &str) -> Self {
        self.settings.push_str(line);
        self.settings.push('\n');
        self
    }

    /// With another line of `[webhooks]`.
    pub fn general(mut self, line: &str) -> Self {
        self.general.push_str(line);
        self.general.push('\n');
        self
    }

    /// The inbox's file.
    pub fn file(&self) -> PathBuf {
        self.place.join("webhooks.db")
    }

    /// The settings of its probes, once one was started.
    pub fn settings_file(&self) -> PathBuf {
        self.place.join("webhooks.toml")
    }

    /// Those of these texts that are on disk, the write-ahead log included; of PostgreSQL in a row as well, for large
    /// values are compressed in its files. Looked for by another process: whoever opens and closes a file that he has an
    /// inbox in gives up its locks.
    pub fn at_rest(&self, texts: &[impl AsRef<str>]) -> BTreeSet<String> {
        let Some((server, url)) = &self.postgres else { return found_in(&[&self.place], texts) };
        let rows = "SELECT encode(coalesce(headers, '') || coalesce(body, ''), 'escape') || d::text FROM webhooks.deliveries d
            UNION ALL SELECT e::text FROM webhooks.events e UNION ALL SELECT r::text FROM webhooks.runs r
            UNION ALL SELECT f::text FROM webhooks.failures f UNION ALL SELECT t::text FROM webhooks.tokens t";
        let rows = server.query_in(url, rows);
        // What is in its memory only is in its files after that.
        server.query("CHECKPOINT");
        let database = server.query_in(url, "SELECT oid FROM pg_database WHERE datname = current_database()");
        let data = server.folder().join("data");
        let mut found = found_in(&[&data.join("base").join(database), &data.join("pg_wal")], texts);
        found.extend(texts.iter().map(|it| it.as_ref().to_owned()).filter(|it| rows.contains(it)));
        found
    }

    /// A builder with the inbox and further settings, whole tables of them.
    pub fn sources_and(&self, tables: &str) -> Builder {
        let settings: Settings =
            format!("{}{}{tables}", self.general, self.table("inbox")).parse().expect("good settings");
        Webhooks::builder().settings(settings).public_url(sample::PUBLIC_URL)
    }

    /// A builder with the inbox and a source for each of these providers.
    pub fn sources(&self, providers: &[&str]) -> Builder {
        let builder = self.sources_and("");
        providers
            .iter()
            .fold(builder, |builder, name| builder.source(name, |source| source.secret(sample::secret(name))))
    }

    /// Starts a probe with the source `stripe`, whose secret is that of the samples.
    pub fn start_probe(&self) -> InboxProbe {
        let probe = self.launch_probe(|program| program);
        probe.process.wait_until_listening(probe.address);
        probe
    }

    /// What an operator is told: the probe's own `webhooks` with these arguments.
    pub fn operate(&self, arguments: &[&str]) -> Vec<String> {
        let operator = self.launch_probe(|program| program.arg("webhooks").args(arguments));
        assert!(operator.process.wait(PATIENCE).success(), "{}", operator.process.output());
        operator.process.stdout().to_the_end()
    }

    /// Starts one, changed in some way, without waiting until it listens.
    pub fn launch_probe(&self, change: impl FnOnce(Program) -> Program) -> InboxProbe {
        let file = self.settings_file();
        let secret = sample::secret("stripe");
        let (general, inbox) = (&self.general, self.table("webhooks.inbox"));
        let settings =
            format!("[webhooks]\n{general}{inbox}[webhooks.sources.stripe]\nsecret = \"{secret}\"\n");
        std::fs::write(&file, settings).expect("a settings file");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let program = Program::built("probe")
            .env("WEBHOOKS_CONFIG", &file)
            .env("WEBHOOKS_HTTP__BIND", address.to_string());
        InboxProbe { process: change(program).start(), address }
    }

    fn table(&self, name: &str) -> String {
        let engine = match &self.postgres {
            Some((_, url)) => format!("provider = \"postgres\"\nurl = \"{url}\""),
            None => format!("provider = \"sqlite\"\npath = \"{}\"", self.file().display()),
        };
        format!("[{name}]\n{engine}\n{}", self.settings)
    }
}

impl Default for InboxFolder {
    fn default() -> Self {
        Self::new()
    }
}

/// A probe that works an inbox off.
#[derive(Debug)]
pub struct InboxProbe {
    /// The process, to kill.
    pub process: Process,
    address: SocketAddr,
}

impl InboxProbe {
    /// Delivers an event of this id with these instructions, and waits for the answer.
    pub async fn deliver(&self, id: &str, instructions: &str) -> std::io::Result<Response> {
        deliver(self.address, id, instructions).await
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The lines that its listeners wrote so far: what they started, ended and failed.
    pub fn deeds(&self) -> Vec<Value> {
        let lines = self.process.stdout().so_far();
        // A process that was killed may have been in the middle of a line.
        lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

/// Has a folder that nobody works off worked off to the end, and looks at these events: all runs are done, each after as
/// many attempts as it was begun, so that none was run again once it was recorded. `deeds` is what the listeners of all
/// probes so far have written.
pub async fn each_was_completed_once(folder: &InboxFolder, mut deeds: Vec<Value>, ids: &BTreeSet<String>) {
    let last = folder.start_probe();
    // What was at work at three kills in a row is given up, and begun afresh by an operator.
    until(async || {
        folder.operate(&["replay", "--reason", "crash_loop"]);
        folder
            .operate(&["backlog"])
            .iter()
            .all(|line| line.contains(": pending 0; dead 0") || line.starts_with("Nothing is pending"))
    })
    .await;
    last.process.terminate();
    assert!(last.process.wait(PATIENCE).success());
    deeds.extend(last.deeds());
    let mut counts = HashMap::<_, usize>::new();
    for deed in &deeds {
        *counts
            .entry(["at", "id", "listener"].map(|it| deed[it].as_str().unwrap_or_default()))
            .or_default() += 1;
    }
    let count =
        |at: &str, id: &str, listener: &str| counts.get(&[at, id, listener]).copied().unwrap_or_default();
    // A listener that none of the runs is for: looking must not change anything.
    let looking =
        folder.sources(&["stripe"]).listener(Recorder::new("stripe")).build().await.expect("an inbox");
    let inbox = looking.inbox().expect("an inbox is configured");
    for id in ids {
        let found = inbox.list(Selection::new().event_id(id)).await.expect("an inbox");
        assert_eq!(found.len(), 1, "{id} is in the inbox, once");
        let record = inbox.show(found[0].number).await.expect("an inbox").expect("an event");
        assert_eq!(record.runs.len(), 2, "{record:?}");
        for run in &record.runs {
            assert_eq!(run.state, RunState::Done, "{record:?}");
            let attempts = usize::try_from(run.attempts).expect("few");
            let (begun, ended) = (count("start", id, &run.listener), count("end", id, &run.listener));
            assert!(begun <= attempts, "{id} was begun {begun} times: {run:?}");
            let cut_off = run.failures.iter().filter(|it| it.error.contains("never ended")).count();
            assert!((1..=1 + cut_off).contains(&ended), "{id} was ended {ended} times: {run:?}");
        }
    }
    let backlog = inbox.backlog().await.expect("an inbox");
    assert!(backlog.iter().all(|it| it.pending == 0 && it.dead == 0), "{backlog:?}");
}

/// Those of these texts that a file in one of these folders holds.
fn found_in(folders: &[&Path], texts: &[impl AsRef<str>]) -> BTreeSet<String> {
    let mut grep = std::process::Command::new("grep");
    grep.env("LC_ALL", "C").args(["-r", "--text", "--only-matching", "--no-filename", "--fixed-strings"]);
    grep.args(texts.iter().flat_map(|text| ["-e", text.as_ref()]));
    // It fails if there is none, and if a server removes one of its files meanwhile: look for one that must be there.
    let found = grep.arg("--").args(folders).output().expect("there is a `grep`").stdout;
    String::from_utf8_lossy(&found).lines().map(str::to_owned).collect()
}

/// Delivers an event to a probe at this address.
pub async fn deliver(address: SocketAddr, id: &str, instructions: &str) -> std::io::Result<Response> {
    let body = format!(r#"{{"id":"{id}","type":"test","probe":{instructions}}}"#);
    let headers = sign::stripe(sample::secret("stripe"), sign::now_unix(), body.as_bytes());
    Request::post("/webhooks/stripe").headers(headers).body(body).send(address).await
}

/// Waits until nothing is pending.
pub async fn settled(inbox: &WebhookInbox) {
    until(async || inbox.backlog().await.expect("an inbox").iter().all(|it| it.pending == 0)).await;
}

/// Waits until it is so.
pub async fn until(so: impl AsyncFn() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !so().await {
        assert!(tokio::time::Instant::now() < deadline, "it did not come to that");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
