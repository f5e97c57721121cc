//! Handles that tell the process's recorder.

use std::time::Instant;

use metrics::{Key, KeyName, Label, Level, Metadata, SharedString, with_recorder};

use super::ALL;
use super::family::{Kind, Unit};

static METADATA: Metadata<'static> = Metadata::new("webhooks", Level::INFO, None);

/// Tells the recorder what each metric is.
pub(crate) fn describe() {
    with_recorder(|recorder| {
        for metric in &ALL {
            let name = KeyName::from_const_str(metric.name);
            let unit = match metric.unit {
                Unit::Count => metrics::Unit::Count,
                Unit::Seconds => metrics::Unit::Seconds,
                Unit::Bytes => metrics::Unit::Bytes,
            };
            let help = SharedString::const_str(metric.help);
            match metric.kind {
                Kind::Counter => recorder.describe_counter(name, Some(unit), help),
                Kind::Gauge => recorder.describe_gauge(name, Some(unit), help),
                Kind::Histogram => recorder.describe_histogram(name, Some(unit), help),
            }
        }
    });
}

/// A number that only grows.
pub(crate) struct Counter(metrics::Counter);

impl Counter {
    pub(super) fn register(name: &'static str, labels: &[(&'static str, &str)]) -> Self {
        Self(with_recorder(|recorder| recorder.register_counter(&key(name, labels), &METADATA)))
    }

    pub(crate) fn increment(&self) {
        self.0.increment(1);
    }
}

/// A number that goes up and down.
pub(crate) struct Gauge(metrics::Gauge);

impl Gauge {
    pub(super) fn register(name: &'static str, labels: &[(&'static str, &str)]) -> Self {
        Self(with_recorder(|recorder| recorder.register_gauge(&key(name, labels), &METADATA)))
    }

    pub(crate) fn set(&self, value: f64) {
        self.0.set(value);
    }

    pub(crate) fn add(&self, value: f64) {
        self.0.increment(value);
    }

    pub(crate) fn subtract(&self, value: f64) {
        self.0.decrement(value);
    }

    /// One more, for as long as what is returned lives.
    pub(crate) fn hold(&self) -> Hold<'_> {
        self.add(1.0);
        Hold(self)
    }
}

/// One of what a gauge counts.
pub(crate) struct Hold<'a>(&'a Gauge);

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.0.subtract(1.0);
    }
}

/// How often which values occurred.
pub(crate) struct Histogram(metrics::Histogram);

impl Histogram {
    pub(super) fn register(name: &'static str, labels: &[(&'static str, &str)]) -> Self {
        Self(with_recorder(|recorder| recorder.register_histogram(&key(name, labels), &METADATA)))
    }

    pub(crate) fn record_since(&self, began: &Stopwatch) {
        self.record_since_instant(began.0);
    }

    /// For what is timed for the log too.
    pub(crate) fn record_since_instant(&self, began: Instant) {
        self.0.record(began.elapsed().as_secs_f64());
    }
}

/// When something began.
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }
}

fn key(name: &'static str, labels: &[(&'static str, &str)]) -> Key {
    let labels: Vec<_> = labels.iter().map(|(name, value)| Label::new(*name, (*value).to_owned())).collect();
    Key::from_parts(name, labels)
}
