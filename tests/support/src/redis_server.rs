//! A private Redis or Valkey server to kill, pause and restart.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::certificate::Certificate;
use crate::free_port;
use crate::process::{PATIENCE, Process, Program, Signal, poll};

/// A server of one's own on 127.0.0.1, with its data in a folder of its own.
#[derive(Debug)]
pub struct RedisServer {
    program: PathBuf,
    options: Vec<String>,
    port: u16,
    folder: TempDir,
    process: Process,
}

/// What to start the server with.
#[derive(Debug, Clone)]
pub struct Options {
    program: PathBuf,
    options: Vec<String>,
}

impl RedisServer {
    /// A Redis that keeps nothing on disk.
    pub fn start() -> Self {
        Options::redis().start()
    }

    /// `redis://127.0.0.1:PORT/0`
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Where it keeps its data.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill9(&self) {
        self.process.kill9();
    }

    /// SIGSTOP: connections stay open and nothing answers.
    pub fn stop(&self) {
        self.process.stop();
    }

    /// SIGCONT after [`stop`](Self::stop).
    pub fn resume(&self) {
        self.process.resume();
    }

    /// Starts it again, on the same port and data, after [`kill9`](Self::kill9); one that runs is
    /// shut down first. Returns when it answers.
    pub fn restart(&mut self) {
        if self.process.ended().is_none() {
            self.process.resume();
            self.process.signal(Signal::SIGTERM);
            self.process.wait(PATIENCE);
        }
        self.process = spawn(&self.program, &self.options, self.port, self.folder.path());
        wait_until_ready(&self.process, self.port)
            .unwrap_or_else(|| panic!("port {} was taken by another\n{}", self.port, self.process.output()));
    }

    /// Sends one command and returns the reply as the server wrote it (RESP2: `+OK`, `:3`,
    /// `$5\r\nvalue` …). For looking, not for speed.
    pub fn command(&self, parts: &[&str]) -> String {
        command(self.address(), parts).unwrap_or_else(|error| panic!("{parts:?}: {error}"))
    }
}

impl Options {
    /// A Redis, from `WEBHOOKS_TEST_REDIS_SERVER` or the `PATH`.
    pub fn redis() -> Self {
        Self::of(std::env::var_os("WEBHOOKS_TEST_REDIS_SERVER").unwrap_or("redis-server".into()))
    }

    /// A Valkey, if `WEBHOOKS_TEST_VALKEY_SERVER` names one: not every distribution has it.
    pub fn valkey() -> Option<Self> {
        Self::named_by("WEBHOOKS_TEST_VALKEY_SERVER")
    }

    /// The oldest Redis that is supported, 6.2, if `WEBHOOKS_TEST_REDIS_6_2_SERVER` names one.
    pub fn redis_6_2() -> Option<Self> {
        Self::named_by("WEBHOOKS_TEST_REDIS_6_2_SERVER")
    }

    fn named_by(variable: &str) -> Option<Self> {
        std::env::var_os(variable).filter(|path| !path.is_empty()).map(Self::of)
    }

    fn of(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), options: Vec::new() }
    }

    /// Every write is on disk before it is answered.
    pub fn append_only(self) -> Self {
        self.option("appendonly", "yes").option("appendfsync", "always")
    }

    /// At most this much, and what happens then: `"noeviction"`, `"allkeys-lru"`.
    pub fn max_memory(self, memory: &str, policy: &str) -> Self {
        self.option("maxmemory", memory).option("maxmemory-policy", policy)
    }

    /// Listens on another port too, with TLS and this certificate.
    pub fn tls(self, port: u16, certificate: &Certificate) -> Self {
        let path = |file: &Path| file.to_str().expect("temporary folders have plain names").to_owned();
        self.option("tls-port", &port.to_string())
            .option("tls-cert-file", &path(&certificate.chain()))
            .option("tls-key-file", &path(&certificate.key()))
            .option("tls-auth-clients", "no")
    }

    /// Any line of `redis.conf`.
    pub fn option(mut self, name: &str, value: &str) -> Self {
        self.options.extend([format!("--{name}"), value.to_owned()]);
        self
    }

    /// Starts it, and returns when it answers.
    pub fn start(self) -> RedisServer {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let Self { program, options } = self;
        for _ in 0..10 {
            let port = free_port();
            let process = spawn(&program, &options, port, folder.path());
            if wait_until_ready(&process, port).is_some() {
                return RedisServer { program, options, port, folder, process };
            }
        }
        panic!("{} found no free port", program.display());
    }
}

fn spawn(program: &Path, options: &[String], port: u16, folder: &Path) -> Process {
    Program::at(program)
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        .args(options)
        .arg("--dir")
        .arg(folder)
        .current_dir(folder)
        .start()
}

/// `None` when another took the port first.
fn wait_until_ready(process: &Process, port: u16) -> Option<()> {
    let address = (Ipv4Addr::LOCALHOST, port).into();
    // Not any server that answers, but this one: it says so itself.
    let ready = poll(PATIENCE, || {
        let lines = process.stdout().so_far();
        let listening = lines.iter().any(|line| line.contains("Ready to accept connections"));
        (listening || process.ended().is_some()).then_some(listening)
    });
    match ready {
        Some(true) => {}
        _ if process.output().contains("in use") => return None,
        _ => panic!("the server does not start\n{}", process.output()),
    }
    let answer = poll(PATIENCE, || command(address, &["PING"]).ok().filter(|reply| reply == "+PONG"));
    assert!(answer.is_some(), "the server does not answer\n{}", process.output());
    Some(())
}

fn command(address: SocketAddr, parts: &[&str]) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut request = format!("*{}\r\n", parts.len());
    for part in parts {
        request += &format!("${}\r\n{part}\r\n", part.len());
    }
    // QUIT ends the connection, so that the reply is all there is to read before its `+OK`.
    request += "*1\r\n$4\r\nQUIT\r\n";
    stream.write_all(request.as_bytes())?;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply)?;
    let reply = String::from_utf8_lossy(&reply);
    let reply = reply.strip_suffix("+OK\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(reply.trim_end().to_owned())
}
