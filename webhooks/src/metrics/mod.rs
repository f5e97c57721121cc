//! What is measured: the one place that names the metrics and says what they count.
//!
//! Handles are taken once, when the webhooks are assembled, and only for names that were configured: what a stranger
//! writes becomes no label. Without the feature `metrics` they are nothing, and cost nothing.

mod family;
#[cfg(feature = "metrics")]
mod recorded;
#[cfg(not(feature = "metrics"))]
mod unrecorded;

use family::{Description, Family, Unit};
#[cfg(feature = "metrics")]
pub(crate) use recorded::{Counter, Gauge, Histogram, Hold, Stopwatch, describe};
#[cfg(not(feature = "metrics"))]
pub(crate) use unrecorded::{Counter, Gauge, Histogram, Hold, Stopwatch, describe};

pub(crate) static DELIVERIES: Family<2> = Family::counter(
    "webhooks_deliveries_total",
    &["source", "outcome"],
    "Deliveries, by how they ended. The source of those that name none that is configured is `unknown`.",
);
pub(crate) static REJECTIONS: Family<2> = Family::counter(
    "webhooks_rejections_total",
    &["source", "reason"],
    "Deliveries that were not believed (outcome `rejected`), by reason.",
);
pub(crate) static DELIVERY_SECONDS: Family<1> = Family::seconds(
    "webhooks_delivery_seconds",
    &["source"],
    "From a delivery's head to its answer; inline, its listeners are part of it.",
);
pub(crate) static LAST_VERIFIED: Family<1> = Family::gauge(
    "webhooks_last_verified_timestamp_seconds",
    Unit::Seconds,
    &["source"],
    "When a delivery was last verified, in seconds since 1970; 0: not since the start.",
);
pub(crate) static CLOCK_SKEW: Family<1> = Family::gauge(
    "webhooks_clock_skew_seconds",
    Unit::Seconds,
    &["source"],
    "By how much the last truly signed but untimely delivery was off. Positive: it came from the past.",
);
pub(crate) static UNVERIFIED: Family<1> = Family::counter(
    "webhooks_unverified_total",
    &["source"],
    "Deliveries accepted without a signature: `validator = \"none\"`, or a `NoOpSignatureValidator`.",
);
pub(crate) static WITHOUT_ID: Family<1> = Family::counter(
    "webhooks_without_id_total",
    &["source"],
    "Events that their provider gives no id, handled without deduplication.",
);
pub(crate) static REPLAY_SUSPECTED: Family<1> = Family::counter(
    "webhooks_replay_suspected_total",
    &["source"],
    "The same signed content under another id that is not signed.",
);
pub(crate) static LEASE_LOST: Family<1> = Family::counter(
    "webhooks_lease_lost_total",
    &["source"],
    "Attempts that lost their claim to another, or could not renew it in time.",
);
pub(crate) static IN_FLIGHT: Family<0> = Family::gauge(
    "webhooks_in_flight",
    Unit::Count,
    &[],
    "Events that are being handled and deliveries that are being stored just now; of either, `max_in_flight` at most.",
);
pub(crate) static WAITERS: Family<0> = Family::gauge(
    "webhooks_waiters",
    Unit::Count,
    &[],
    "Duplicates that wait for the attempt that is under way in this process.",
);
pub(crate) static BUFFERED: Family<0> = Family::gauge(
    "webhooks_buffered_bytes",
    Unit::Bytes,
    &[],
    "Bytes of bodies that are not verified yet; bounded by `max_buffered`.",
);
pub(crate) static RUNS: Family<2> = Family::counter(
    "webhooks_runs_total",
    &["listener", "result"],
    "Runs of listeners: `ok`, `failed`, `permanent`, `panicked`, `timed_out`, `cancelled`.",
);
pub(crate) static RUN_SECONDS: Family<1> =
    Family::seconds("webhooks_run_seconds", &["listener"], "How long a listener ran.");
pub(crate) static STORE_SECONDS: Family<1> = Family::seconds(
    "webhooks_store_seconds",
    &["operation"],
    "How long the store of claims took to answer: `claim`, `renew`, `record`, `settle`, `forget`.",
);
pub(crate) static STORE_ERRORS: Family<1> = Family::counter(
    "webhooks_store_errors_total",
    &["operation"],
    "Answers that the store of claims could not give.",
);
pub(crate) static INBOX_PENDING: Family<1> = Family::gauge(
    "webhooks_inbox_pending",
    Unit::Count,
    &["listener"],
    "Runs in the inbox that are to be done.",
);
pub(crate) static INBOX_DEAD: Family<1> = Family::gauge(
    "webhooks_inbox_dead",
    Unit::Count,
    &["listener"],
    "Runs in the inbox that were given up, and are kept.",
);
pub(crate) static INBOX_OLDEST: Family<1> = Family::gauge(
    "webhooks_inbox_oldest_pending_seconds",
    Unit::Seconds,
    &["listener"],
    "How long ago the oldest event arrived that is still to be done; 0: there is none.",
);
pub(crate) static INBOX_ORPHANS: Family<0> = Family::gauge(
    "webhooks_inbox_orphans",
    Unit::Count,
    &[],
    "Runs in the inbox that wait for listeners which this build does not have.",
);

/// All of them, in the order of the manual.
#[cfg_attr(not(any(test, feature = "metrics")), allow(dead_code, reason = "nobody is told"))]
static ALL: [Description; 20] = [
    DELIVERIES.description,
    REJECTIONS.description,
    DELIVERY_SECONDS.description,
    LAST_VERIFIED.description,
    CLOCK_SKEW.description,
    UNVERIFIED.description,
    WITHOUT_ID.description,
    REPLAY_SUSPECTED.description,
    LEASE_LOST.description,
    IN_FLIGHT.description,
    WAITERS.description,
    BUFFERED.description,
    RUNS.description,
    RUN_SECONDS.description,
    STORE_SECONDS.description,
    STORE_ERRORS.description,
    INBOX_PENDING.description,
    INBOX_DEAD.description,
    INBOX_OLDEST.description,
    INBOX_ORPHANS.description,
];

#[cfg(test)]
mod tests;
