//! What a listener asks of its runs.

use std::time::Duration;

/// How often a failed run is tried again, and how soon. What is `None` is as in `webhooks.inbox`.
///
/// The pause grows threefold from attempt to attempt; each is a random part of that, so that what failed together does
/// not come back together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retry {
    /// The number of attempts after which the run is dead.
    pub max_attempts: Option<u32>,
    /// The longest pause after the first failure.
    pub base: Option<Duration>,
    /// The longest pause there is.
    pub max: Option<Duration>,
}

/// Events with the same value at one place are handled one at a time, in order of arrival. Needs the inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderBy {
    /// Where the value is: a JSON pointer, `/data/object/customer`, into the event's body; into its payload where that is
    /// a part of a batch or a form. Texts and numbers have an order; an event with anything else there, or nothing, is
    /// handled as if nobody had asked for one.
    pub pointer: &'static str,
    /// What becomes of those behind an event that was given up.
    pub on_dead: OnDead,
}

/// What becomes of the events behind one that was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnDead {
    /// They go on without it.
    #[default]
    Skip,
    /// They wait until it is replayed or dropped, or forgotten after `webhooks.inbox.keep_dead`.
    Block,
}

/// All that a listener may ask of its runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct RunOptions {
    pub(crate) retry: Retry,
    pub(crate) order_by: Option<OrderBy>,
    /// How many of its runs go on side by side at most.
    pub(crate) concurrency: Option<usize>,
}
