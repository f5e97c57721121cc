//! `probe` processes that share a Redis, or an inbox in PostgreSQL.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::http::{Request, Response};
use crate::process::{PATIENCE, Process, Program};
use crate::{free_port, sign};

/// The secret of the probes' one source, `stripe`.
pub const SECRET: &str = "topsecret";

/// A running probe with the source `stripe`.
#[derive(Debug)]
pub struct Probe {
    /// The process, to stop and to kill.
    pub process: Process,
    address: SocketAddr,
    _settings: TempDir,
}

/// How a probe is to be started.
#[derive(Debug, Clone)]
pub struct ProbeOptions {
    shared: Shared,
    /// Lines of `[webhooks]`.
    settings: Vec<String>,
    /// Lines of `[webhooks.idempotency]` or of `[webhooks.inbox]`.
    lines: Vec<String>,
    one_thread: bool,
}

/// What the probes of a fleet have in common.
#[derive(Debug, Clone)]
enum Shared {
    Nothing,
    Redis(String),
    Postgres(String),
}

impl ProbeOptions {
    /// With its claims in this Redis, and leases that last long enough not to matter.
    pub fn redis(url: &str) -> Self {
        Self::of(Shared::Redis(url.to_owned()))
    }

    /// With its inbox in this PostgreSQL, and retries that come at once.
    pub fn postgres(url: &str) -> Self {
        Self::of(Shared::Postgres(url.to_owned())).line("backoff = \"1ms\"")
    }

    /// With its claims in its own memory.
    pub fn alone() -> Self {
        Self::of(Shared::Nothing)
    }

    fn of(shared: Shared) -> Self {
        Self { shared, settings: Vec::new(), lines: Vec::new(), one_thread: false }
    }

    /// How long a lease lasts, `"600ms"`.
    pub fn lease(self, lease: &str) -> Self {
        self.line(&format!("lease = \"{lease}\""))
    }

    /// A line of `[webhooks]`.
    pub fn setting(mut self, line: &str) -> Self {
        self.settings.push(line.to_owned());
        self
    }

    /// A line of `[webhooks.idempotency]`, or of `[webhooks.inbox]`.
    pub fn line(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    /// All runs on one thread.
    pub fn one_thread(mut self) -> Self {
        self.one_thread = true;
        self
    }

    /// Starts it; returns when it listens.
    pub fn start(&self) -> Probe {
        let probe = self.launch(&[]);
        probe.process.wait_until_listening(probe.address);
        probe
    }

    /// What an operator is told: the probe's own `webhooks` with these arguments.
    pub fn operate(&self, arguments: &[&str]) -> String {
        let operator = self.launch(&[&["webhooks"], arguments].concat());
        assert!(operator.process.wait(PATIENCE).success(), "{}", operator.process.output());
        operator.process.stdout().to_the_end().join("\n")
    }

    fn launch(&self, arguments: &[&str]) -> Probe {
        let settings = tempfile::tempdir().expect("a temporary folder");
        let file = settings.path().join("webhooks.toml");
        std::fs::write(&file, self.settings()).expect("a settings file");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let program = Program::built("probe")
            .args(arguments)
            .env("WEBHOOKS_CONFIG", &file)
            .env("WEBHOOKS_HTTP__BIND", address.to_string())
            .env("PROBE_THREADS", if self.one_thread { "1" } else { "" });
        Probe { process: program.start(), address, _settings: settings }
    }

    fn settings(&self) -> String {
        let (settings, lines) = (self.settings.join("\n"), self.lines.join("\n"));
        let shared = match &self.shared {
            Shared::Redis(url) => format!(
                "[webhooks.idempotency]\nprovider = \"redis\"\n{lines}\n\
                 [webhooks.idempotency.redis]\nurl = \"{url}\"\n"
            ),
            Shared::Nothing => format!("[webhooks.idempotency]\n{lines}\n"),
            Shared::Postgres(url) => {
                format!("[webhooks.inbox]\nprovider = \"postgres\"\nurl = \"{url}\"\n{lines}\n")
            }
        };
        format!("[webhooks]\n{settings}\n{shared}[webhooks.sources.stripe]\nsecret = \"{SECRET}\"\n")
    }
}

impl Probe {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Delivers an event of this id with these instructions, `{"a": {"sleep_ms": 50}}`, and waits for the answer. Its
    /// instructions are no part of an event's identity: a redelivery may have others.
    pub async fn deliver(&self, id: &str, instructions: &str) -> std::io::Result<Response> {
        let body =
            format!(r#"{{"id":"{id}","type":"test","data":{{"object":{{}}}},"probe":{instructions}}}"#);
        let headers = sign::stripe(SECRET, sign::now_unix(), body.as_bytes());
        Request::post("/webhooks/stripe").headers(headers).body(body).send(self.address).await
    }

    /// Delivers again and again until the answer is another than 503, as providers do.
    pub async fn deliver_until_taken(&self, id: &str, instructions: &str) -> std::io::Result<Response> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let response = self.deliver(id, instructions).await?;
            if response.status != 503 {
                return Ok(response);
            }
            assert!(response.header("retry-after").is_some(), "a 503 says when to come again");
            assert!(tokio::time::Instant::now() < deadline, "still 503: {}", response.text());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits for a line of its log with this in it.
    pub async fn logged(&self, text: &str) -> String {
        self.process.stderr().line(|line| line.contains(text)).await
    }

    /// Waits until the listener starts, fails or ends (`at`) this attempt at the event.
    pub async fn saw(&self, at: &str, listener: &str, id: &str, attempt: u32) {
        let wanted = |line: &str| {
            let line = parse(line);
            line["at"] == at && line["listener"] == listener && line["id"] == id && line["attempt"] == attempt
        };
        self.process.stdout().line(wanted).await;
    }

    /// Kills it, and returns what its listeners did.
    pub fn finish(&self) -> Deeds {
        self.process.kill9();
        Deeds(self.process.stdout().to_the_end().iter().map(|line| parse(line)).collect())
    }
}

/// What listeners did, in one process or several.
#[derive(Debug, Clone, Default)]
pub struct Deeds(Vec<Value>);

impl Deeds {
    /// How often the listener started with the event.
    pub fn starts(&self, listener: &str, id: &str) -> usize {
        self.all_starts(listener).filter(|line| line["id"] == id).count()
    }

    /// How often the listener came to its end with the event.
    pub fn ends(&self, listener: &str, id: &str) -> usize {
        let ends = self.0.iter().filter(|line| line["at"] == "end" && line["listener"] == listener);
        ends.filter(|line| line["id"] == id).count()
    }

    /// How often the listener started, with whatever event.
    pub fn total(&self, listener: &str) -> usize {
        self.all_starts(listener).count()
    }

    /// With how many events the listener started.
    pub fn distinct(&self, listener: &str) -> usize {
        self.all_starts(listener).map(|line| line["id"].to_string()).collect::<BTreeSet<_>>().len()
    }

    /// Together with those of another process.
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    fn all_starts(&self, listener: &str) -> impl Iterator<Item = &Value> {
        self.0.iter().filter(move |line| line["at"] == "start" && line["listener"] == listener)
    }
}

fn parse(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}
