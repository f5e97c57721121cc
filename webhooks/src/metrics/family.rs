//! One metric: its name, its labels, what it counts.

use super::{Counter, Gauge, Histogram};

/// A metric with this many labels.
pub(crate) struct Family<const LABELS: usize> {
    pub(super) description: Description,
    labels: &'static [&'static str; LABELS],
}

/// What is said of a metric to whoever collects it.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(any(test, feature = "metrics")), allow(dead_code, reason = "nobody is told"))]
pub(super) struct Description {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) unit: Unit,
    #[cfg_attr(not(test), allow(dead_code, reason = "a recorder sees them with each value"))]
    pub(super) labels: &'static [&'static str],
    pub(super) help: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// How often which values occurred.
    Histogram,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Count,
    Seconds,
    Bytes,
}

impl<const LABELS: usize> Family<LABELS> {
    pub(super) const fn counter(
        name: &'static str,
        labels: &'static [&'static str; LABELS],
        help: &'static str,
    ) -> Self {
        Self::new(name, labels, help, Kind::Counter, Unit::Count)
    }

    pub(super) const fn gauge(
        name: &'static str,
        unit: Unit,
        labels: &'static [&'static str; LABELS],
        help: &'static str,
    ) -> Self {
        Self::new(name, labels, help, Kind::Gauge, unit)
    }

    /// A histogram of times.
    pub(super) const fn seconds(
        name: &'static str,
        labels: &'static [&'static str; LABELS],
        help: &'static str,
    ) -> Self {
        Self::new(name, labels, help, Kind::Histogram, Unit::Seconds)
    }

    const fn new(
        name: &'static str,
        labels: &'static [&'static str; LABELS],
        help: &'static str,
        kind: Kind,
        unit: Unit,
    ) -> Self {
        Self { description: Description { name, kind, unit, labels, help }, labels }
    }

    /// The counter with these labels.
    pub(crate) fn counted(&self, values: [&str; LABELS]) -> Counter {
        Counter::register(self.description.name, &self.labelled(values))
    }

    /// The gauge with these labels.
    pub(crate) fn gauged(&self, values: [&str; LABELS]) -> Gauge {
        Gauge::register(self.description.name, &self.labelled(values))
    }

    /// The histogram with these labels.
    pub(crate) fn timed(&self, values: [&str; LABELS]) -> Histogram {
        Histogram::register(self.description.name, &self.labelled(values))
    }

    fn labelled<'v>(&self, values: [&'v str; LABELS]) -> [(&'static str, &'v str); LABELS] {
        std::array::from_fn(|index| (self.labels[index], values[index]))
    }
}
