//! Webhooks with an inbox in a file: in the test's own process, and in a `probe` that can be killed.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use webhooks::{Builder, Settings, WebhookInbox, Webhooks};

use crate::http::{Request, Response};
use crate::process::{PATIENCE, Process, Program};
use crate::{free_port, sample, sign};

/// A folder with an inbox in it, which outlives those who work it off.
#[derive(Debug)]
pub struct InboxFolder {
    place: PathBuf,
    /// Lines of `[webhooks.inbox]`.
    settings: String,
    _folder: Option<TempDir>,
}

impl InboxFolder {
    /// A new one, in which retries come at once.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let place = Self::at(folder.path());
        Self { _folder: Some(folder), ..place }
    }

    /// In a folder of the test's own.
    pub fn at(place: &Path) -> Self {
        Self { place: place.to_owned(), settings: "backoff = \"1ms\"\n".to_owned(), _folder: None }
    }

    /// With another line of `[webhooks.inbox]`.
    pub fn setting(mut self, line: &str) -> Self {
        self.settings.push_str(line);
        self.settings.push('\n');
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

    /// All that is on disk, the write-ahead log included. Read by another process: whoever opens and closes a file that
    /// he has an inbox in gives up its locks.
    pub fn bytes(&self) -> Vec<u8> {
        let files = std::fs::read_dir(&self.place).expect("the folder is there");
        let paths = files.map(|file| file.expect("a file").path());
        let read = std::process::Command::new("cat").args(paths).output().expect("there is a `cat`");
        assert!(read.status.success());
        read.stdout
    }

    /// A builder with the inbox and a source for each of these providers.
    pub fn sources(&self, providers: &[&str]) -> Builder {
        let settings: Settings =
            format!("drain_delay = \"0s\"\n{}", self.table("inbox")).parse().expect("good settings");
        let builder = Webhooks::builder().settings(settings).public_url(sample::PUBLIC_URL);
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

    /// Starts one, changed in some way, without waiting until it listens.
    pub fn launch_probe(&self, change: impl FnOnce(Program) -> Program) -> InboxProbe {
        let file = self.settings_file();
        let secret = sample::secret("stripe");
        let inbox = self.table("webhooks.inbox");
        std::fs::write(&file, format!("{inbox}[webhooks.sources.stripe]\nsecret = \"{secret}\"\n"))
            .expect("a settings file");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let program = Program::built("probe")
            .env("WEBHOOKS_CONFIG", &file)
            .env("WEBHOOKS_HTTP__BIND", address.to_string())
            .env("WEBHOOKS_DRAIN_DELAY", "0s");
        InboxProbe { process: change(program).start(), address }
    }

    fn table(&self, name: &str) -> String {
        format!("[{name}]\nprovider = \"sqlite\"\npath = \"{}\"\n{}", self.file().display(), self.settings)
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
