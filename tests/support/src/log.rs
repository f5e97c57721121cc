//! What is logged, line by line.

use std::cell::RefCell;
use std::io;
use std::sync::{Arc, Mutex, Once};

use serde_json::Value;
use tracing_subscriber::fmt::MakeWriter;

thread_local! {
    static WRITTEN: RefCell<Option<Written>> = const { RefCell::new(None) };
}

type Written = Arc<Mutex<Vec<u8>>>;

/// The log of this thread while this lives. On tokio's current-thread runtime that is everything.
///
/// There is one subscriber for the whole process: with one for each thread, tracing may take another thread's want of
/// one for everybody's, and drop lines.
#[derive(Debug)]
pub struct Log(Written);

impl Log {
    /// Begins to listen.
    pub fn capture() -> Self {
        static SUBSCRIBED: Once = Once::new();
        SUBSCRIBED.call_once(|| {
            let subscriber = tracing_subscriber::fmt()
                .json()
                .flatten_event(true)
                .with_max_level(tracing::Level::TRACE)
                .with_writer(ToThread)
                .finish();
            tracing::subscriber::set_global_default(subscriber).expect("no other subscriber");
        });
        let written = Written::default();
        WRITTEN.set(Some(Arc::clone(&written)));
        Self(written)
    }

    /// All lines so far.
    pub fn lines(&self) -> Vec<Value> {
        let text = self.0.lock().expect("no writer panics").clone();
        let text = String::from_utf8(text).expect("UTF-8");
        text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    /// The lines whose field has this value.
    pub fn lines_where(&self, field: &str, value: &str) -> Vec<Value> {
        self.lines().into_iter().filter(|line| line[field] == value).collect()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        WRITTEN.set(None);
    }
}

/// Writes to the log of the thread that logs, if anybody listens.
struct ToThread;

struct Writer(Option<Written>);

impl<'a> MakeWriter<'a> for ToThread {
    type Writer = Writer;

    fn make_writer(&'a self) -> Writer {
        Writer(WRITTEN.with_borrow(Clone::clone))
    }
}

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(written) = &self.0 {
            written.lock().expect("no writer panics").extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
