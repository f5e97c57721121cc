//! What is measured, as Prometheus would read it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ::metrics::LocalRecorderGuard;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

/// The metrics of what is assembled in this thread while this lives.
pub struct Metrics {
    page: PrometheusHandle,
    _here: LocalRecorderGuard<'static>,
}

impl Metrics {
    /// Begins to collect.
    pub fn collect() -> Self {
        // The recorder must outlast every handle of it, and a test has no end to tie it to.
        let recorder = Box::leak(Box::new(PrometheusBuilder::new().build_recorder()));
        Self { page: recorder.handle(), _here: ::metrics::set_default_local_recorder(recorder) }
    }

    /// All of them as text.
    pub fn page(&self) -> String {
        self.page.render()
    }

    /// The names of all metrics.
    pub fn names(&self) -> BTreeSet<String> {
        let page = self.page();
        let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        types.map(|line| line.split(' ').next().expect("a name").to_owned()).collect()
    }

    /// A number by its name and labels, in any order; of a histogram, `…_count` or `…_sum`.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let page = self.page();
        let wanted: BTreeMap<_, _> = labels.iter().copied().collect();
        let found = page.lines().find_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let (known, labels) = series.split_once('{').unwrap_or((series, "}"));
            (known == name && parse(labels.trim_end_matches('}')) == wanted).then_some(value)
        });
        let found = found.unwrap_or_else(|| panic!("there is no {name}{labels:?} in\n{page}"));
        found.parse().expect("a number")
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// `a="b",c="d"`; no value of a test holds a quotation mark.
fn parse(labels: &str) -> BTreeMap<&str, &str> {
    let pairs = labels.split("\",").filter(|it| !it.is_empty());
    pairs.map(|pair| pair.trim_end_matches('"').split_once("=\"").expect("a label")).collect()
}
