//! What an operator sees of the inbox.

use std::fmt;
use std::time::SystemTime;

use crate::store::{DeadReason, EventKey};

/// Which events and runs are meant. Everything that is given must hold.
///
/// ```
/// use webhooks::{RunState, Selection};
///
/// let dead = Selection::new().source("stripe").state(RunState::Dead).limit(50);
/// # let _ = dead;
/// ```
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Selection {
    pub(crate) event: Option<i64>,
    pub(crate) source: Option<String>,
    pub(crate) event_id: Option<String>,
    pub(crate) listener: Option<String>,
    pub(crate) state: Option<RunState>,
    pub(crate) reason: Option<DeadReason>,
    pub(crate) after: Option<SystemTime>,
    pub(crate) before: Option<SystemTime>,
    pub(crate) limit: Option<u32>,
}

impl Selection {
    /// Everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// The event of this number: [`EventSummary::number`].
    pub fn number(mut self, number: i64) -> Self {
        self.event = Some(number);
        self
    }

    /// Events of this source.
    pub fn source(mut self, name: impl Into<String>) -> Self {
        self.source = Some(name.into());
        self
    }

    /// Events with this id of the provider's.
    pub fn event_id(mut self, id: impl Into<String>) -> Self {
        self.event_id = Some(id.into());
        self
    }

    /// Runs of this listener.
    pub fn listener(mut self, id: impl Into<String>) -> Self {
        self.listener = Some(id.into());
        self
    }

    /// Runs in this state.
    pub fn state(mut self, state: RunState) -> Self {
        self.state = Some(state);
        self
    }

    /// Runs that are dead for this reason.
    pub fn reason(mut self, reason: DeadReason) -> Self {
        self.reason = Some(reason);
        self
    }

    /// Events that arrived then or later.
    pub fn after(mut self, time: SystemTime) -> Self {
        self.after = Some(time);
        self
    }

    /// Events that arrived earlier.
    pub fn before(mut self, time: SystemTime) -> Self {
        self.before = Some(time);
        self
    }

    /// At most so many, the latest first.
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = Some(limit);
        self
    }
}

/// What one listener's part in an event has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunState {
    /// It is to be run, or runs.
    Pending,
    /// It succeeded.
    Done,
    /// It was given up; its body is kept, so that it can be replayed.
    Dead,
}

impl RunState {
    /// The state as it is shown and selected by.
    pub fn code(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Done => "done",
            Self::Dead => "dead",
        }
    }

    /// The state of this code.
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Pending, Self::Done, Self::Dead].into_iter().find(|it| it.code() == code)
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// An event in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventSummary {
    /// Its number in this inbox, in order of arrival.
    pub number: i64,
    /// The source that it came in by.
    pub source: String,
    /// The provider's id for it.
    pub event_id: Option<String>,
    /// Its type.
    pub event_type: String,
    /// When it arrived.
    pub received_at: SystemTime,
    /// How many of its runs are pending.
    pub pending: u32,
    /// How many are done.
    pub done: u32,
    /// How many are dead.
    pub dead: u32,
}

/// An event with all that happened to it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventRecord {
    /// What the list says of it.
    pub summary: EventSummary,
    /// The delivery that brought it, as its log line has it.
    pub delivery: String,
    /// What it is remembered by; `None`: it was forgotten.
    pub(crate) key: Option<EventKey>,
    /// How many bytes its body has; `None`: it is not kept any more.
    pub body_bytes: Option<u64>,
    /// One a listener.
    pub runs: Vec<RunRecord>,
}

/// One listener's part in an event.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunRecord {
    /// The listener's id.
    pub listener: String,
    /// What it has come to.
    pub state: RunState,
    /// How many attempts there were: those before a replay are counted too, those that were cancelled when the process
    /// left are not. The log counts afresh after a replay.
    pub attempts: u32,
    /// Whether an attempt is under way; or was when its process died, and no other has looked since.
    pub is_under_way: bool,
    /// Whether it was begun afresh by an operator.
    pub is_replay: bool,
    /// When a pending one is tried next, if not as soon as a worker is free.
    pub due_at: Option<SystemTime>,
    /// When it was done or given up.
    pub settled_at: Option<SystemTime>,
    /// Why it is dead.
    pub reason: Option<String>,
    /// Every attempt that failed or never ended, the first one first.
    pub failures: Vec<FailedAttempt>,
}

/// An attempt that failed, or never ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FailedAttempt {
    /// Which one, from 1, in the order of [`RunRecord::attempts`].
    pub attempt: u32,
    /// When it ended, or was found never to have.
    pub at: SystemTime,
    /// The error, with its causes.
    pub error: String,
}

impl RunRecord {
    /// With its attempts counted: every one has failed, but the one that is under way or has succeeded.
    pub(crate) fn counted(mut self) -> Self {
        for (failure, number) in self.failures.iter_mut().zip(1..) {
            failure.attempt = number;
        }
        let failed = u32::try_from(self.failures.len()).unwrap_or(u32::MAX);
        let last = self.is_under_way || self.state == RunState::Done;
        Self { attempts: failed.saturating_add(last.into()), ..self }
    }
}

/// What a replay came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Replayed {
    /// How many runs are begun afresh.
    pub runs: u64,
    /// How many could not be, since their body is not kept any more.
    pub without_body: u64,
}

/// An event's story in words, for [`WebhookInbox::explain`](crate::WebhookInbox::explain).
pub(crate) fn tell(record: &EventRecord) -> String {
    let EventSummary { number, source, event_type, received_at, .. } = &record.summary;
    let mut story = format!(
        "Event {number}: `{}` from `{source}`, stored {} by delivery {}.\n",
        event_type.escape_debug(),
        ago(*received_at),
        record.delivery
    );
    for run in &record.runs {
        story.push_str(&format!("  {}: {}\n", run.listener, fate(run)));
        for failure in &run.failures {
            let (attempt, at, error) = (failure.attempt, ago(failure.at), failure.error.escape_debug());
            story.push_str(&format!("    attempt {attempt}, {at}: {error}\n"));
        }
    }
    if record.body_bytes.is_none() {
        story.push_str("  Its body is not kept any more, so that it cannot be replayed.\n");
    }
    story
}

fn fate(run: &RunRecord) -> String {
    let attempts = match run.attempts {
        1 => "1 attempt".to_owned(),
        many => format!("{many} attempts"),
    };
    let replay = if run.is_replay { ", replayed by an operator" } else { "" };
    let settled = run.settled_at.map(ago).unwrap_or_default();
    match (run.state, run.reason.as_deref()) {
        (RunState::Done, _) => format!("handled {settled}, after {attempts}{replay}"),
        (RunState::Dead, reason) => {
            let why = match reason {
                Some("permanent") => "the listener said that no repetition would help",
                Some("attempts_exhausted") => "every attempt it may have has failed",
                Some("crash_loop") => {
                    "its last attempts never ended: it crashes the process, or outlasts every lease"
                }
                _ => "for a reason that this version does not know",
            };
            format!("given up {settled}, after {attempts}{replay}: {why}")
        }
        (RunState::Pending, _) if run.is_under_way => {
            format!("runs now: attempt {}{replay}", run.attempts)
        }
        (RunState::Pending, _) if run.attempts == 0 => format!("waits for its first attempt{replay}"),
        (RunState::Pending, _) => match run.due_at.map(|due| due.duration_since(SystemTime::now())) {
            Some(Ok(left)) => format!("is tried again in {} s, after {attempts}{replay}", left.as_secs()),
            _ => format!("waits for a worker, after {attempts}{replay}"),
        },
    }
}

/// How long ago that was, for people.
pub(crate) fn ago(time: SystemTime) -> String {
    let seconds = SystemTime::now().duration_since(time).unwrap_or_default().as_secs();
    match seconds {
        0..120 => format!("{seconds} s ago"),
        120..7_200 => format!("{} min ago", seconds / 60),
        7_200..172_800 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}
