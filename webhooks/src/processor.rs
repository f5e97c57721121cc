//! The path of a delivery, from its head to its outcome.

use std::collections::HashMap;
use std::future::ready;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures_util::StreamExt;
use http::{HeaderMap, Method};

use crate::budget::Buffered;
use crate::clock::Clock;
use crate::delivery::{Delivery, DeliveryId, SourceName};
use crate::inbox::handle::WebhookInbox;
use crate::inbox::staffed::StaffedInbox;
use crate::life::{Passage, Phase};
use crate::outcome::Outcome;
use crate::reply::Reply;
use crate::run::inline::{Inline, Job, Turn};
use crate::seen::Seen;
use crate::source::Source;
use crate::stats::SourceReport;
use crate::store::StoreError;

/// Receives deliveries: verifies them, finds the events in them, and has each handled once.
///
/// Cloning is cheap; clones are the same processor.
#[derive(Debug, Clone)]
pub struct WebhookProcessor(Arc<Core>);

/// What a processor is made of.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) sources: HashMap<SourceName, Arc<Source>>,
    pub(crate) inline: Inline,
    pub(crate) inbox: Option<StaffedInbox>,
    pub(crate) seen: Seen,
    pub(crate) clock: Clock,
    pub(crate) enabled: bool,
}

impl WebhookProcessor {
    /// How many parts of a batch are handled side by side.
    const BATCH_WIDTH: usize = 16;

    /// Takes one delivery to its end and says what to answer. Never fails and never panics, whatever comes in.
    ///
    /// What runs, runs in a task of its own: dropping the future cancels nothing.
    pub async fn process(&self, delivery: Delivery) -> Reply {
        let admitted =
            self.admit(delivery.id(), delivery.source().as_str(), delivery.method(), delivery.headers());
        match admitted {
            Ok(admission) => self.receive(admission, delivery, None).await,
            Err(refusal) => *refusal,
        }
    }

    /// Judges a request by its head: lets it in, or answers it without a byte of its body.
    pub(crate) fn admit(
        &self,
        id: DeliveryId,
        source: &str,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<Admission, Box<Reply>> {
        let began = Instant::now();
        let refused =
            |source: Option<&Source>, outcome| Err(Box::new(self.reply(source, id, outcome, began)));
        if !self.0.enabled {
            return refused(None, Outcome::Disabled);
        }
        let Some(source) = self.0.sources.get(source) else { return refused(None, Outcome::UnknownSource) };
        // Begun before the phase is looked at: who is let in is waited for.
        let passage = self.0.inline.life.begin();
        if self.0.inline.life.phase() >= Phase::Closed {
            return refused(Some(source), Outcome::ShuttingDown);
        }
        match source.admit(method, headers) {
            Ok(()) => Ok(Admission { source: Arc::clone(source), id, began, passage }),
            Err(outcome) => refused(Some(source), outcome),
        }
    }

    /// The path: verify, identify, route; then claim, run and settle.
    /// Once verified, the body no longer counts against the budget of those that are not.
    pub(crate) async fn receive(
        &self,
        admission: Admission,
        delivery: Delivery,
        unverified: Option<Buffered>,
    ) -> Reply {
        let Admission { source, id, began, passage } = admission;
        let jobs = self.jobs(&source, delivery).await;
        drop(unverified);
        // The two drivers: handled while the provider waits, or stored and handled after.
        let outcome = match (jobs, &self.0.inbox) {
            (Ok(jobs), Some(inbox)) if inbox.intake.takes(&source.name) => inbox.intake.store(jobs).await,
            (Ok(jobs), _) => self.handle(jobs, passage).await,
            (Err(outcome), _) => outcome,
        };
        self.reply(Some(&source), id, outcome, began)
    }

    /// Ends an admitted request whose body did not come.
    pub(crate) fn refuse(&self, admission: &Admission, outcome: Outcome) -> Reply {
        self.reply(Some(&admission.source), admission.id, outcome, admission.began)
    }

    async fn jobs(&self, source: &Source, delivery: Delivery) -> Result<Vec<Job>, Outcome> {
        source.limit(&delivery)?;
        source.greet(&delivery)?;
        let verified = source.verify(&delivery).await?;
        source.acknowledge(&delivery, &verified)?;
        source.events(delivery, verified)
    }

    /// Handles the events in a task of their own, spawned before the first claim: a client that hangs up then neither
    /// cancels a run nor strands a claim.
    async fn handle(&self, mut jobs: Vec<Job>, passage: Passage) -> Outcome {
        let core = Arc::clone(&self.0);
        let task = match jobs.pop() {
            None => return Outcome::Ignored,
            Some(job) if jobs.is_empty() => tokio::spawn(async move {
                let _passage = passage;
                core.inline.handle(job, Turn::Now).await
            }),
            Some(last) => tokio::spawn(async move {
                let _passage = passage;
                jobs.push(last);
                let parts = jobs.into_iter().map(|job| core.inline.handle(job, Turn::Wait));
                let outcomes = futures_util::stream::iter(parts).buffer_unordered(Self::BATCH_WIDTH);
                outcomes.fold(Outcome::Ignored, |worst, outcome| ready(worst.worse(outcome))).await
            }),
        };
        // A task that is gone without an outcome went down with its runtime.
        task.await.unwrap_or(Outcome::ShuttingDown)
    }

    /// Every delivery ends here: counted, logged, answered.
    fn reply(&self, source: Option<&Source>, id: DeliveryId, outcome: Outcome, began: Instant) -> Reply {
        self.0.seen.delivery(source, id, &outcome, began.elapsed());
        let status = source.map(|source| source.status(&outcome));
        let reply = outcome.into_reply(id);
        Reply { status: status.unwrap_or(reply.status), ..reply }
    }
}

/// A request that was let in on the strength of its head.
#[derive(Debug)]
pub(crate) struct Admission {
    pub(crate) source: Arc<Source>,
    pub(crate) id: DeliveryId,
    began: Instant,
    /// Leaving in order waits for it.
    passage: Passage,
}
/// Looking in from outside.
impl WebhookProcessor {
    /// Has an event handled again when it is redelivered: GitHub's "Redeliver", for one, keeps the id.
    ///
    /// For providers whose id is not signed, the key of an event depends on its body too: give the event's body.
    /// `false`: it was not remembered, or is being handled right now.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn forget(&self, source: &str, id: &str, body: &[u8]) -> Result<bool, StoreError> {
        let Some(source) = self.0.sources.get(source) else { return Ok(false) };
        self.0.inline.store().forget(&source.key_of(id, body)).await
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
