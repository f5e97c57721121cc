//! The same handles in a build without the feature `metrics`: nothing, which the compiler removes.

use std::marker::PhantomData;
use std::time::Instant;

pub(crate) fn describe() {}

pub(crate) struct Counter;

impl Counter {
    pub(super) fn register(_: &'static str, _: &[(&'static str, &str)]) -> Self {
        Self
    }

    pub(crate) fn increment(&self) {}
}

pub(crate) struct Gauge;

impl Gauge {
    pub(super) fn register(_: &'static str, _: &[(&'static str, &str)]) -> Self {
        Self
    }

    pub(crate) fn set(&self, _: f64) {}

    pub(crate) fn add(&self, _: f64) {}

    pub(crate) fn subtract(&self, _: f64) {}

    pub(crate) fn hold(&self) -> Hold<'_> {
        Hold(PhantomData)
    }
}

pub(crate) struct Hold<'a>(PhantomData<&'a Gauge>);

pub(crate) struct Histogram;

impl Histogram {
    pub(super) fn register(_: &'static str, _: &[(&'static str, &str)]) -> Self {
        Self
    }

    pub(crate) fn record_since(&self, _: &Stopwatch) {}

    pub(crate) fn record_since_instant(&self, _: Instant) {}
}

pub(crate) struct Stopwatch;

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self
    }
}
