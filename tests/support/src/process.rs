//! Programs under test: started, read line by line, signalled, and gone when dropped.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use nix::sys::signal::Signal;
use nix::unistd::Pid;

pub use crate::lines::Lines;

/// How long anything that must happen may take on a loaded machine before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A program to start.
#[derive(Debug)]
pub struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
    environment: BTreeMap<OsString, OsString>,
    folder: Option<PathBuf>,
    /// Of the user and the group.
    ids: Option<(u32, u32)>,
    /// Whether it starts others, which end with it.
    starts_others: bool,
}

impl Program {
    /// A program of this workspace, as `cargo build` made it: `"probe"`, `"receiver"`.
    pub fn built(name: &str) -> Self {
        let path = built_programs().join(name);
        assert!(
            path.is_file(),
            "{} is not there: run ./tests/run, or `cargo build --workspace --all-features` first",
            path.display()
        );
        Self::at(path)
    }

    /// Any program.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            arguments: Vec::new(),
            environment: BTreeMap::new(),
            folder: None,
            ids: None,
            starts_others: false,
        }
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable. Variables of the surroundings that start with `WEBHOOKS_`
    /// are not handed on: a test says all of a program's settings itself.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.insert(name.as_ref().to_owned(), value.as_ref().to_owned());
        self
    }

    /// Has its system calls tampered with, as strace's `inject` describes it: `fdatasync:error=EIO:when=20..40`. What
    /// is counted is each thread's own calls.
    pub fn tampered(mut self, injection: &str) -> Self {
        let calls = injection.split(':').next().unwrap_or_default();
        let strace = ["-f", "-qq", "-o", "/dev/null", "-e"];
        let mut arguments: Vec<OsString> = strace.map(Into::into).into();
        arguments.extend([
            format!("trace={calls}").into(),
            "-e".into(),
            format!("inject={injection}").into(),
        ]);
        arguments.extend(["--".into(), std::mem::replace(&mut self.path, "strace".into()).into()]);
        arguments.append(&mut self.arguments);
        Self { arguments, starts_others: true, ..self }
    }

    /// The working directory.
    pub fn current_dir(mut self, folder: impl AsRef<Path>) -> Self {
        self.folder = Some(folder.as_ref().to_owned());
        self
    }

    /// Who it runs as: for root to choose.
    pub fn user(mut self, user: u32, group: u32) -> Self {
        self.ids = Some((user, group));
        self
    }

    /// Starts it.
    pub fn start(self) -> Process {
        let mut command = Command::new(&self.path);
        for (name, _) in std::env::vars_os() {
            let foreign = name.to_string_lossy().starts_with("WEBHOOKS_");
            // tests/run finds what a test left behind by this mark.
            if foreign && name != "WEBHOOKS_TEST_RUN" {
                command.env_remove(name);
            }
        }
        command.args(&self.arguments).envs(&self.environment);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        if let Some((user, group)) = self.ids {
            command.uid(user).gid(group);
        }
        if self.starts_others {
            command.process_group(0);
        }
        let mut child =
            command.spawn().unwrap_or_else(|error| panic!("cannot start {}: {error}", self.path.display()));
        let stdout = Lines::of(child.stdout.take().expect("stdout is piped"));
        let stderr = Lines::of(child.stderr.take().expect("stderr is piped"));
        let name = self.path.display().to_string();
        Process { name, child: Mutex::new(child), stdout, stderr, leads_group: self.starts_others }
    }
}

/// Lets this process, and those that it starts from now on, have as many connections as the machine allows.
pub fn allow_many_connections() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    setrlimit(Resource::RLIMIT_NOFILE, most, most).expect("it may be raised up to there");
}

/// The folder with the programs that cargo built: that of this test, less `deps`.
fn built_programs() -> PathBuf {
    if let Some(folder) = std::env::var_os("WEBHOOKS_TEST_PROGRAMS") {
        return folder.into();
    }
    let this = std::env::current_exe().expect("a running test has a path");
    let folder = this.parent().expect("a file is in a folder");
    if folder.ends_with("deps") { folder.parent().expect("deps is in a folder") } else { folder }.to_owned()
}

/// A running program. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Mutex<Child>,
    stdout: Lines,
    stderr: Lines,
    leads_group: bool,
}

impl Process {
    /// Its process id.
    pub fn id(&self) -> u32 {
        lock(&self.child).id()
    }

    /// The most memory that it has had at a time, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kibibytes << 10
    }

    /// What it has written to stdout, and will.
    pub fn stdout(&self) -> &Lines {
        &self.stdout
    }

    /// What it has written to stderr, and will.
    pub fn stderr(&self) -> &Lines {
        &self.stderr
    }

    /// Sends a signal. Nothing happens to a process that is gone.
    pub fn signal(&self, signal: Signal) {
        let mut child = lock(&self.child);
        // A process that was waited for has given its id back: never signal that.
        if matches!(child.try_wait(), Ok(None)) {
            self.send(&child, signal).expect("a child can be signalled");
        }
    }

    fn send(&self, child: &Child, signal: Signal) -> nix::Result<()> {
        let id = Pid::from_raw(child.id().try_into().expect("a process id fits"));
        if self.leads_group {
            nix::sys::signal::killpg(id, signal)
        } else {
            nix::sys::signal::kill(id, signal)
        }
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill9(&self) -> ExitStatus {
        self.signal(Signal::SIGKILL);
        self.wait(PATIENCE)
    }

    /// SIGTERM; returns at once.
    pub fn terminate(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// SIGSTOP: it stands still until [`resume`](Self::resume).
    pub fn stop(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// SIGCONT.
    pub fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// How it ended, if it has.
    pub fn ended(&self) -> Option<ExitStatus> {
        lock(&self.child).try_wait().expect("a child can be waited for")
    }

    /// Waits for its end. Panics when it takes longer than `patience`.
    pub fn wait(&self, patience: Duration) -> ExitStatus {
        poll(patience, || self.ended())
            .unwrap_or_else(|| panic!("{} did not end in {patience:?}\n{}", self.name, self.output()))
    }

    /// Waits until it accepts connections. Panics when it ends first, or takes longer than
    /// [`PATIENCE`].
    pub fn wait_until_listening(&self, address: SocketAddr) {
        let connected = poll(PATIENCE, || {
            if let Some(status) = self.ended() {
                panic!("{} ended before it listened: {}\n{}", self.name, tell(status), self.output());
            }
            TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()
        });
        assert!(connected.is_some(), "{} does not listen on {address}\n{}", self.name, self.output());
    }

    /// All that it has written so far, for the message of a failed test.
    pub fn output(&self) -> String {
        format!(
            "--- stdout\n{}\n--- stderr\n{}",
            self.stdout.so_far().join("\n"),
            self.stderr.so_far().join("\n")
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let mut child = lock(&self.child);
        if matches!(child.try_wait(), Ok(None)) {
            let _ = self.send(&child, Signal::SIGKILL);
        }
        let _ = child.wait();
    }
}

/// Asks until there is an answer or `patience` is over.
pub(crate) fn poll<T>(patience: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if Instant::now() > deadline {
            return None;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn tell(status: ExitStatus) -> String {
    match status.signal() {
        Some(signal) => format!("killed by signal {signal}"),
        None => status.to_string(),
    }
}

/// A test that panicked elsewhere must not hide behind a poisoned lock.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
