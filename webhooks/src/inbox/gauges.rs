//! How much is in the inbox, for the metrics.

use std::sync::Arc;
use std::time::SystemTime;

use super::ListenerCount;
use crate::listener::bound::Listener;
use crate::metrics::{self, Gauge};

/// The gauges of an inbox.
pub(crate) struct InboxGauges {
    listeners: Vec<ListenerGauges>,
    orphans: Gauge,
}

struct ListenerGauges {
    listener: Arc<str>,
    pending: Gauge,
    dead: Gauge,
    oldest: Gauge,
}

impl InboxGauges {
    pub(crate) fn new(listeners: &[Listener]) -> Self {
        let gauges = |listener: &Listener| ListenerGauges {
            listener: Arc::clone(&listener.id),
            pending: metrics::INBOX_PENDING.gauged([&listener.id]),
            dead: metrics::INBOX_DEAD.gauged([&listener.id]),
            oldest: metrics::INBOX_OLDEST.gauged([&listener.id]),
        };
        Self { listeners: listeners.iter().map(gauges).collect(), orphans: metrics::INBOX_ORPHANS.gauged([]) }
    }

    /// Listeners without a count have nothing pending and nothing dead. Those that are not in this build share a gauge,
    /// for their names are whatever older builds had.
    pub(super) fn set(&self, counts: &[ListenerCount], now: SystemTime) {
        for gauges in &self.listeners {
            let count = counts.iter().find(|it| *it.listener == *gauges.listener);
            let oldest = count.and_then(|it| it.oldest_pending);
            let age = oldest.and_then(|at| now.duration_since(at).ok()).unwrap_or_default();
            gauges.pending.set(count.map_or(0.0, |it| it.pending as f64));
            gauges.dead.set(count.map_or(0.0, |it| it.dead as f64));
            gauges.oldest.set(age.as_secs_f64());
        }
        let known = |count: &ListenerCount| self.listeners.iter().any(|it| *it.listener == *count.listener);
        let orphans: u64 = counts.iter().filter(|it| !known(it)).map(|it| it.pending).sum();
        self.orphans.set(orphans as f64);
    }
}
