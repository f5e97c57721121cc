//! The table of metrics in `docs/observability.md`. `WEBHOOKS_TEST_UPDATE=1 cargo test` writes it.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::ALL;
use super::family::{Kind, Unit};

const BEGIN: &str = "every_metric_is_documented -->\n";
const END: &str = "<!-- So far. -->\n";

#[test]
fn every_metric_is_documented() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/docs/observability.md");
    let page = std::fs::read_to_string(&path).expect("a page");
    let (before, rest) = page.split_once(BEGIN).expect("the mark before the table");
    let (_, after) = rest.split_once(END).expect("the mark behind it");
    let current = format!("{before}{BEGIN}{}{END}{after}", table());
    if std::env::var_os("WEBHOOKS_TEST_UPDATE").is_some() {
        std::fs::write(&path, &current).expect("a file to write to");
        return;
    }
    assert!(
        page == current,
        "docs/observability.md is stale: WEBHOOKS_TEST_UPDATE=1 cargo test -p webhooks every_metric"
    );
}

#[test]
fn names_are_as_prometheus_wants_them() {
    for metric in &ALL {
        let name = metric.name;
        assert!(name.starts_with("webhooks_"), "{name}");
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
        assert_eq!(name.ends_with("_total"), metric.kind == Kind::Counter, "{name}");
        assert_eq!(name.ends_with("_bytes"), metric.unit == Unit::Bytes, "{name}");
        assert_eq!(name.ends_with("_seconds"), metric.unit == Unit::Seconds, "{name}");
        assert_eq!(ALL.iter().filter(|it| it.name == name).count(), 1, "{name}");
    }
}

fn table() -> String {
    let mut table = "\n| metric | labels | kind | |\n|---|---|---|---|\n".to_owned();
    for metric in &ALL {
        let labels = metric.labels.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ");
        let labels = if labels.is_empty() { "–" } else { &labels };
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let _ = writeln!(table, "| `{}` | {labels} | {kind} | {} |", metric.name, metric.help);
    }
    table.push('\n');
    table
}
