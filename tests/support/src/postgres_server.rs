//! A private PostgreSQL server to kill, pause and restart.

use std::ffi::OsStr;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use nix::sys::signal::kill;
use nix::unistd::{Pid, User};
use tempfile::TempDir;

use crate::free_port;
use crate::process::{Lines, PATIENCE, Process, Program, Signal, poll};

/// A server of one's own on 127.0.0.1, with its data in a folder of its own. Anyone may come in as `postgres`.
#[derive(Debug)]
pub struct PostgresServer {
    programs: Programs,
    options: Vec<String>,
    port: u16,
    folder: TempDir,
    process: Process,
}

/// What to start the server with.
#[derive(Debug, Clone, Default)]
pub struct Options(Vec<String>);

/// Where PostgreSQL's programs are, and who runs them.
#[derive(Debug, Clone)]
struct Programs {
    folder: PathBuf,
    /// PostgreSQL refuses to run as root.
    user: Option<User>,
}

impl PostgresServer {
    /// A server that forgets when the machine loses power, but not when it is killed.
    pub fn start() -> Self {
        Options::default().start()
    }

    /// One server for all tests that run at the same time in this process, each in a [`database`](Self::database) of
    /// its own: not for tests that kill or pause it. It ends with the last who holds it.
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<PostgresServer>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let server = Arc::new(Self::start());
            *shared = Arc::downgrade(&server);
            server
        })
    }

    /// `postgres://postgres@127.0.0.1:PORT/postgres`
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// The address of a new and empty database.
    pub fn database(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.query(&format!("CREATE DATABASE {name}"));
        self.url_of(&name)
    }

    fn url_of(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// What it has logged, and will.
    pub fn log(&self) -> &Lines {
        self.process.stderr()
    }

    /// Where it keeps its data.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// SIGKILL to the server and all that it started, as if the machine had died; waits until they are gone.
    pub fn kill9(&self) {
        // The first goes first, so that it starts no more of the others.
        let others = self.others();
        self.process.kill9();
        others.iter().for_each(|it| send(*it, Signal::SIGKILL));
        let gone = poll(PATIENCE, || others.iter().all(|it| is_gone(*it)).then_some(()));
        assert!(gone.is_some(), "processes of the server outlive it: {others:?}");
    }

    /// SIGSTOP to all of it: connections stay open and nothing answers.
    pub fn stop(&self) {
        self.process.stop();
        self.others().into_iter().for_each(|it| send(it, Signal::SIGSTOP));
    }

    /// SIGCONT after [`stop`](Self::stop).
    pub fn resume(&self) {
        self.others().into_iter().for_each(|it| send(it, Signal::SIGCONT));
        self.process.resume();
    }

    /// Starts it again, on the same port and data, after [`kill9`](Self::kill9); one that runs is shut down first,
    /// and its connections are closed. Returns when it answers.
    pub fn restart(&mut self) {
        if self.ask_to_end(Signal::SIGINT) {
            self.process.wait(PATIENCE);
        }
        self.process = spawn(&self.programs, &self.options, self.port, self.folder.path());
        wait_until_ready(&self.process)
            .unwrap_or_else(|| panic!("port {} was taken by another\n{}", self.port, self.process.output()));
    }

    /// What `psql` prints for these statements in the database `postgres`: a line a row, `|` between columns.
    pub fn query(&self, sql: &str) -> String {
        self.query_in(&self.url(), sql)
    }

    /// [`query`](Self::query) in the database of this [`url`](Self::database).
    pub fn query_in(&self, url: &str, sql: &str) -> String {
        let arguments = ["--no-psqlrc", "--no-align", "--tuples-only", "--quiet", "--set=ON_ERROR_STOP=1"];
        let psql =
            Command::new(self.programs.folder.join("psql")).args(arguments).args(["-c", sql, url]).output();
        let output = psql.expect("psql can be run");
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Whether it ran.
    fn ask_to_end(&self, how: Signal) -> bool {
        let runs = self.process.ended().is_none();
        if runs {
            self.resume();
            self.process.signal(how);
        }
        runs
    }

    /// The processes that the first one started: one a connection, and those that work in the background.
    fn others(&self) -> Vec<Pid> {
        let id = self.process.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        children.split_whitespace().filter_map(|it| it.parse().ok()).map(Pid::from_raw).collect()
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        // Killed, it would leave shared memory behind. This is nearly as quick.
        if self.ask_to_end(Signal::SIGQUIT) {
            poll(PATIENCE, || self.process.ended());
        }
    }
}

impl Options {
    /// What is committed is on disk, as in a server in use. Slower.
    pub fn durable(self) -> Self {
        self.option("fsync", "on")
    }

    /// Any line of `postgresql.conf`.
    pub fn option(mut self, name: &str, value: &str) -> Self {
        self.0.extend(["-c".to_owned(), format!("{name}={value}")]);
        self
    }

    /// Starts it, and returns when it answers.
    pub fn start(self) -> PostgresServer {
        let programs = Programs::find();
        let folder = tempfile::tempdir().expect("a temporary folder");
        if let Some(user) = &programs.user {
            let owner = (Some(user.uid.as_raw()), Some(user.gid.as_raw()));
            chown(folder.path(), owner.0, owner.1).expect("root can give a folder away");
        }
        make_cluster(&programs, folder.path());
        for _ in 0..10 {
            let port = free_port();
            let process = spawn(&programs, &self.0, port, folder.path());
            if wait_until_ready(&process).is_some() {
                return PostgresServer { programs, options: self.0, port, folder, process };
            }
        }
        panic!("PostgreSQL found no free port");
    }
}

impl Programs {
    /// From `WEBHOOKS_TEST_PG_BIN` and `WEBHOOKS_TEST_PG_USER`, as `tests/run` sets them.
    fn find() -> Self {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let folder = set("WEBHOOKS_TEST_PG_BIN")
            .expect("run ./tests/run, or name the folder of PostgreSQL's programs in WEBHOOKS_TEST_PG_BIN");
        let user = set("WEBHOOKS_TEST_PG_USER").map(|name| {
            let user = name.to_str().and_then(|name| User::from_name(name).ok().flatten());
            user.unwrap_or_else(|| panic!("WEBHOOKS_TEST_PG_USER names nobody: {name:?}"))
        });
        Self { folder: folder.into(), user }
    }

    fn program(&self, name: &str) -> Program {
        let program = Program::at(self.folder.join(name));
        match &self.user {
            Some(user) => program.user(user.uid.as_raw(), user.gid.as_raw()),
            None => program,
        }
    }
}

fn make_cluster(programs: &Programs, folder: &Path) {
    let initdb = programs.program("initdb").args(["--no-sync", "--auth=trust", "--username=postgres"]);
    let initdb =
        initdb.args(["--encoding=UTF8", "--locale=C", "--no-instructions", "--pgdata"]).arg(data(folder));
    let process = initdb.current_dir(folder).start();
    let status = process.wait(PATIENCE);
    assert!(status.success(), "initdb failed\n{}", process.output());
}

fn spawn(programs: &Programs, options: &[String], port: u16, folder: &Path) -> Process {
    let settings = ["fsync=off", "listen_addresses=127.0.0.1", "unix_socket_directories="];
    programs
        .program("postgres")
        .arg("-D")
        .arg(data(folder))
        .args(["-p", &port.to_string()])
        .args(settings.iter().flat_map(|setting| ["-c", setting]))
        .args(options.iter().map(OsStr::new))
        .current_dir(folder)
        .start()
}

fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}

/// `None` when another took the port first.
fn wait_until_ready(process: &Process) -> Option<()> {
    // After a crash it reads its log first: give it longer than anything else.
    let ready = poll(PATIENCE + Duration::from_secs(30), || {
        let lines = process.stderr().so_far();
        let ready = lines.iter().any(|line| line.contains("database system is ready to accept connections"));
        (ready || process.ended().is_some()).then_some(ready)
    });
    match ready {
        Some(true) => Some(()),
        _ if process.output().contains("Address already in use") => None,
        _ => panic!("PostgreSQL does not start\n{}", process.output()),
    }
}

/// Nothing happens to a process that is gone.
fn send(process: Pid, signal: Signal) {
    let _ = kill(process, signal);
}

/// One that nobody has waited for yet is gone too.
fn is_gone(process: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The state follows the name, which is in brackets.
    stat.rsplit_once(") ").is_none_or(|(_, state)| state.starts_with('Z'))
}
