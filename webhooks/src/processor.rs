//! The path of a delivery, from its head to its outcome.

use std::future::ready;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use futures_util::{FutureExt, StreamExt};
use hashbrown::HashMap;
use http::{HeaderMap, Method};
use tracing::field::Empty;
use tracing::{Instrument, Span};

use crate::budget::Buffered;
use crate::clock::Clock;
use crate::delivery::{Delivery, DeliveryId, SourceName};
use crate::inbox::staffed::StaffedInbox;
use crate::life::{Passage, Phase, Upkeep};
use crate::outcome::Outcome;
use crate::reply::Reply;
use crate::run::inline::{Inline, Job, Turn};
use crate::run::outlive::Outlive;
use crate::scheme::Verified;
use crate::seen::{Cause, Seen};
use crate::source::rotation::Watch;
use crate::source::{Entry, Source};

mod operations;

/// Receives deliveries: verifies them, finds the events in them, and has each handled once.
///
/// Cloning is cheap; clones are the same processor.
#[derive(Debug, Clone)]
pub struct WebhookProcessor(Arc<Core>);

/// What a processor is made of.
#[derive(Debug)]
pub(crate) struct Core {
    /// Those of the settings: nobody else can add any, so that their hashes need not be safe from anybody.
    pub(crate) sources: HashMap<SourceName, Arc<Source>>,
    pub(crate) inline: Inline,
    pub(crate) inbox: Option<StaffedInbox>,
    pub(crate) seen: Seen,
    /// Looks after secrets in files, for as long as this lives.
    pub(crate) _watch: Option<Watch>,
    pub(crate) clock: Clock,
    pub(crate) enabled: bool,
    /// What is looked after for as long as there is a processor.
    pub(crate) _upkeep: Option<Upkeep>,
}

impl WebhookProcessor {
    /// Takes one delivery to its end and says what to answer. Never fails and never panics, whatever comes in.
    ///
    /// Dropping the future cancels nothing: what runs then goes on in a task of its own.
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
        if !self.0.enabled {
            return Err(Box::new(self.astray(id, Outcome::Disabled, began)));
        }
        let Some(source) = self.0.sources.get(source) else {
            return Err(Box::new(self.astray(id, Outcome::UnknownSource, began)));
        };
        // Begun before the phase is looked at: who is let in is waited for.
        let passage = self.0.inline.life.begin();
        let span = tracing::info_span!(
            "delivery", source = source.name.as_str(), delivery = %id, outcome = Empty, status = Empty
        );
        let admission = Admission {
            source: Arc::clone(source),
            id,
            entry: Entry::default(),
            began,
            _passage: passage,
            span,
        };
        let closed = self.0.inline.life.phase() >= Phase::Closed;
        let judged = if closed { Err(Outcome::ShuttingDown) } else { source.admit(method, headers) };
        match judged {
            Ok(entry) => Ok(Admission { entry, ..admission }),
            Err(outcome) => Err(Box::new(self.refuse(&admission, outcome))),
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
        let (source, id, span) = (Arc::clone(&admission.source), admission.id, admission.span.clone());
        let path = async {
            let verified = match Self::verified(&admission, &delivery).await {
                Ok(verified) => verified,
                Err(outcome) => return self.refuse(&admission, outcome),
            };
            drop(unverified);
            let outcome = match Self::jobs(&source, delivery, verified) {
                Ok(jobs) if !jobs.is_empty() => return Arc::clone(&self.0).drive(jobs, admission).await,
                Ok(_) => Outcome::Ignored,
                Err(outcome) => outcome,
            };
            self.0.end(&admission, &outcome, Cause::Known);
            reply(&source, id, outcome)
        };
        path.instrument(span).await
    }

    /// Ends an admitted request that nothing vouches for: its body did not come, or was not believed.
    pub(crate) fn refuse(&self, admission: &Admission, outcome: Outcome) -> Reply {
        self.0.end(admission, &outcome, Cause::Stranger);
        reply(&admission.source, admission.id, outcome)
    }

    async fn verified(admission: &Admission, delivery: &Delivery) -> Result<Verified, Outcome> {
        let source = &admission.source;
        // Again, for bodies that did not come through HTTP.
        if u64::try_from(delivery.body().len()).map_or(true, |length| length > admission.entry.max_body) {
            return Err(Outcome::BodyTooLarge);
        }
        source.greet(delivery)?;
        source.verify(delivery, admission.entry).await
    }

    fn jobs(source: &Source, delivery: Delivery, verified: Verified) -> Result<Vec<Job>, Outcome> {
        source.acknowledge(&delivery, &verified)?;
        source.events(delivery, verified)
    }

    /// Ends a request that named nothing that is here.
    fn astray(&self, id: DeliveryId, outcome: Outcome, began: Instant) -> Reply {
        self.0.seen.delivery(None, id, &outcome, Cause::Stranger, began);
        outcome.into_reply(id)
    }
}

impl Core {
    /// How many parts of a batch are handled side by side.
    const BATCH_WIDTH: usize = 16;

    /// Handles the events, whether anybody waits for it or not: a client that hangs up neither cancels a run nor strands a
    /// claim, and what became of the delivery is told all the same.
    fn drive(self: Arc<Self>, jobs: Vec<Job>, admission: Admission) -> Outlive<impl Future<Output = Reply>> {
        Outlive::new(async move {
            // The two drivers: handled while the provider waits, or stored and handled after.
            let handled = async {
                match &self.inbox {
                    Some(inbox) if inbox.intake.takes(&admission.source.name) => {
                        inbox.intake.store(jobs).await
                    }
                    _ => self.handle(jobs).await,
                }
            };
            // Listeners' panics are caught where they run. What any other has left undone is not looked at again.
            let outcome = AssertUnwindSafe(handled).catch_unwind().await.unwrap_or_else(|_| {
                tracing::error!("a panic outside of listeners; a redelivery is handled again");
                Outcome::StoreUnavailable
            });
            self.end(&admission, &outcome, Cause::Known);
            reply(&admission.source, admission.id, outcome)
        })
    }

    async fn handle(&self, mut jobs: Vec<Job>) -> Outcome {
        match jobs.pop() {
            Some(job) if jobs.is_empty() => self.inline.handle(job, Turn::Now).await,
            last => {
                jobs.extend(last);
                let parts = jobs.into_iter().map(|job| self.inline.handle(job, Turn::Wait));
                let outcomes = futures_util::stream::iter(parts).buffer_unordered(Self::BATCH_WIDTH);
                outcomes.fold(Outcome::Ignored, |worst, outcome| ready(worst.worse(outcome))).await
            }
        }
    }

    /// Every admitted delivery ends here: counted and logged.
    fn end(&self, admission: &Admission, outcome: &Outcome, cause: Cause) {
        let Admission { source, id, began, span, .. } = admission;
        if !span.is_disabled() {
            span.record("outcome", outcome.label()).record("status", source.status(outcome).as_u16());
        }
        span.in_scope(|| self.seen.delivery(Some(source), *id, outcome, cause, *began));
    }
}

/// The answer, with the status that the provider wants to see.
fn reply(source: &Source, id: DeliveryId, outcome: Outcome) -> Reply {
    let status = source.status(&outcome);
    Reply { status, ..outcome.into_reply(id) }
}

/// A request that was let in on the strength of its head.
#[derive(Debug)]
pub(crate) struct Admission {
    pub(crate) source: Arc<Source>,
    pub(crate) id: DeliveryId,
    pub(crate) entry: Entry,
    began: Instant,
    /// A graceful shutdown waits for it.
    _passage: Passage,
    /// All that is logged on its path stands in it.
    span: Span,
}
