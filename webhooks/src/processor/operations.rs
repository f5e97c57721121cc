//! What operators ask of a processor: what was seen, what is stored, what is to be handled again; and its shutdown.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Core, WebhookProcessor};
use crate::delivery::SourceName;
use crate::inbox::handle::WebhookInbox;
use crate::life::Phase;
use crate::stats::SourceReport;
use crate::store::StoreError;

impl WebhookProcessor {
    /// Has an event handled again when it is redelivered: GitHub's "Redeliver", for one, keeps the id.
    ///
    /// For providers whose id is not signed, the key of an event depends on its body too: give the event's body, which
    /// is the whole delivery's where that was a batch.
    /// `false`: it was not remembered, or is being handled right now; in an inbox, or one of its runs is still pending.
    ///
    /// # Errors
    /// When the store, or the inbox, cannot be reached.
    pub async fn forget(&self, source: &str, id: &str, body: &[u8]) -> Result<bool, StoreError> {
        let Some(source) = self.0.sources.get(source) else { return Ok(false) };
        let inbox = self.0.inbox.as_ref().filter(|inbox| inbox.intake.takes(&source.name));
        let mut forgotten = false;
        for key in source.keys_of(id, body) {
            forgotten |= match inbox {
                Some(inbox) => inbox.handle.forget_event(key).await?,
                None => self.0.inline.store().forget(&key).await?,
            };
        }
        Ok(forgotten)
    }

    /// The inbox, where one is configured.
    pub fn inbox(&self) -> Option<WebhookInbox> {
        self.0.inbox.as_ref().map(|inbox| inbox.handle.clone())
    }

    /// What each configured source has seen since the start, by name.
    pub fn report(&self) -> Vec<(SourceName, SourceReport)> {
        let mut reports: Vec<_> =
            self.0.sources.values().map(|source| (source.name.clone(), source.stats.report())).collect();
        reports.sort_by(|a, b| a.0.cmp(&b.0));
        reports
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.0.enabled && self.0.inline.life.phase() == Phase::Ready
    }

    pub(crate) async fn drain(&self, delay: Duration, grace: Duration) {
        self.0.inline.life.drain(delay, grace).await;
    }

    pub(crate) fn new(core: Core) -> Self {
        Self(Arc::new(core))
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.0.clock.wall()
    }
}
