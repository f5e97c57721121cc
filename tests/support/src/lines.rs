//! What a process writes, line by line: what is there already, and what is to come.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

use crate::process::{PATIENCE, lock};

/// The lines of one output of a process: those there already, and those to come.
///
/// Lines are kept, so that nothing is missed between two waits; [`count`](Self::count) is a
/// position to wait from.
#[derive(Debug, Clone)]
pub struct Lines(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    read: Mutex<Output>,
    /// For threads that wait …
    changed: Condvar,
    /// … and for tasks that do.
    notify: tokio::sync::Notify,
}

#[derive(Debug, Default)]
struct Output {
    lines: Vec<String>,
    closed: bool,
}

impl Lines {
    pub(crate) fn of(output: impl Read + Send + 'static) -> Self {
        let shared = Arc::new(Shared::default());
        let writer = Arc::clone(&shared);
        std::thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n') {
                let Ok(line) = line else { break };
                writer.change(|read| read.lines.push(String::from_utf8_lossy(&line).into_owned()));
            }
            writer.change(|read| read.closed = true);
        });
        Self(shared)
    }

    /// The lines there are.
    pub fn so_far(&self) -> Vec<String> {
        lock(&self.0.read).lines.clone()
    }

    /// How many lines there are.
    pub fn count(&self) -> usize {
        lock(&self.0.read).lines.len()
    }

    /// All lines, once the process has closed this output: after its end.
    pub fn to_the_end(&self) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        let mut read = lock(&self.0.read);
        while !read.closed {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the output does not end; there are:\n{}", read.lines.join("\n"));
            read = self.0.changed.wait_timeout(read, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        read.lines.clone()
    }

    /// The first line, from the beginning, that `wanted` accepts. Blocks the thread; panics when
    /// it does not come within [`PATIENCE`] or the output ends without it.
    pub fn wait_for(&self, wanted: impl Fn(&str) -> bool) -> String {
        self.wait_for_from(0, wanted)
    }

    /// [`wait_for`](Self::wait_for), from the `from`-th line on.
    pub fn wait_for_from(&self, from: usize, wanted: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut read = lock(&self.0.read);
        loop {
            if let Some(line) = read.find(from, &wanted) {
                return line;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if read.closed || left.is_zero() {
                panic!("the line did not come; there are:\n{}", read.lines.join("\n"));
            }
            read = self.0.changed.wait_timeout(read, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// [`wait_for`](Self::wait_for) in a task.
    pub async fn line(&self, wanted: impl Fn(&str) -> bool) -> String {
        self.line_from(0, wanted).await
    }

    /// [`wait_for_from`](Self::wait_for_from) in a task.
    pub async fn line_from(&self, from: usize, wanted: impl Fn(&str) -> bool) -> String {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let changed = self.0.notify.notified();
            tokio::pin!(changed);
            // Registered before looking, so that no line falls between the two.
            changed.as_mut().enable();
            let closed = {
                let read = lock(&self.0.read);
                if let Some(line) = read.find(from, &wanted) {
                    return line;
                }
                read.closed
            };
            if closed || tokio::time::timeout_at(deadline, changed).await.is_err() {
                panic!("the line did not come; there are:\n{}", self.so_far().join("\n"));
            }
        }
    }
}

impl Shared {
    fn change(&self, change: impl FnOnce(&mut Output)) {
        change(&mut lock(&self.read));
        self.changed.notify_all();
        self.notify.notify_waiters();
    }
}

impl Output {
    fn find(&self, from: usize, wanted: impl Fn(&str) -> bool) -> Option<String> {
        self.lines.iter().skip(from).find(|line| wanted(line)).cloned()
    }
}
