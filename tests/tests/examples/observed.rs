//! The examples that show what was seen: metrics to be collected, and traces.

use std::net::{Ipv4Addr, SocketAddr};

use support::free_port;
use support::http::Request;
use support::process::{Lines, PATIENCE, Process, Program};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::{Example, SECRET, payment};

#[tokio::test]
async fn with_prometheus() {
    let example = Example::start("with-prometheus");
    let page = async || example.send(Request::new("GET", "/metrics")).await.text();
    let before = page().await;
    assert!(before.contains(r#"webhooks_deliveries_total{source="stripe",outcome="handled"} 0"#), "{before}");

    assert_eq!(example.send(payment("evt_1")).await.status, 200);
    assert_eq!(example.send(payment("evt_1")).await.status, 200);
    assert_eq!(example.send(payment("evt_2").body("{}")).await.status, 401);

    let page = page().await;
    for line in [
        "# TYPE webhooks_deliveries_total counter",
        r#"webhooks_deliveries_total{source="stripe",outcome="handled"} 1"#,
        r#"webhooks_deliveries_total{source="stripe",outcome="duplicate"} 1"#,
        r#"webhooks_rejections_total{source="stripe",reason="signature_mismatch"} 1"#,
        r#"webhooks_runs_total{listener="with_prometheus::on_paid",result="ok"} 1"#,
        r#"webhooks_delivery_seconds_bucket{source="stripe",le="+Inf"} 3"#,
        r#"webhooks_store_seconds_count{operation="settle"} 1"#,
    ] {
        assert!(page.lines().any(|it| it == line), "{line} is missing in\n{page}");
    }
    example.process.terminate();
    assert!(example.process.wait(PATIENCE).success());
}

/// Serves webhooks alone, and sends its traces to this collector, or prints them.
fn start_opentelemetry(collector: Option<SocketAddr>) -> (Process, SocketAddr) {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut program = Program::built("with-opentelemetry")
        .current_dir(folder.path())
        .env("WEBHOOKS_SOURCES__STRIPE__SECRET", SECRET)
        .env("WEBHOOKS_HTTP__BIND", address.to_string())
        .env("WEBHOOKS_DRAIN_DELAY", "0s");
    if let Some(collector) = collector {
        program = program.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{collector}"));
    }
    let process = program.start();
    process.wait_until_listening(address);
    (process, address)
}

/// The value behind a label, in the part of the output that describes this span.
fn of_span(lines: &[String], span: &str, label: &str) -> String {
    let starts =
        |line: &String| line.trim_start().starts_with("Name ") && line.ends_with(&format!(": {span}"));
    let from =
        lines.iter().position(starts).unwrap_or_else(|| panic!("no span {span} in\n{}", lines.join("\n")));
    let line = lines[from..].iter().find(|it| it.trim_start().starts_with(label)).expect("such a line");
    line.split_once(':').expect("a value").1.trim().to_owned()
}

/// Spans are printed as they end: the delivery's is the last.
async fn delivery_is_printed(stdout: &Lines) -> Vec<String> {
    stdout.line(|line| line.trim_start().starts_with("Name ") && line.ends_with(": delivery")).await;
    stdout.line(|line| line.contains("->  outcome: ")).await;
    stdout.so_far()
}

#[tokio::test]
async fn with_opentelemetry_prints_its_traces() {
    let (process, address) = start_opentelemetry(None);
    assert_eq!(payment("evt_1").send(address).await.expect("an answer").status, 200);

    let lines = delivery_is_printed(process.stdout()).await;
    let trace = of_span(&lines, "delivery", "TraceId");
    for (span, parent) in [("listener", "delivery"), ("book", "listener")] {
        assert_eq!(of_span(&lines, span, "TraceId"), trace, "{span}");
        assert_eq!(of_span(&lines, span, "ParentSpanId"), of_span(&lines, parent, "SpanId"), "{span}");
    }
    for expected in ["source: ", "outcome: ", "event_id: ", "result: ", "payment: "] {
        assert!(lines.iter().any(|line| line.contains(expected)), "{expected}\n{}", lines.join("\n"));
    }
    process.terminate();
    assert!(process.wait(PATIENCE).success());
}

#[tokio::test]
async fn with_opentelemetry_sends_its_traces_to_a_collector() {
    let socket = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let (process, address) = start_opentelemetry(Some(socket.local_addr().expect("a bound socket")));
    assert_eq!(payment("evt_1").send(address).await.expect("an answer").status, 200);
    // What was not sent by then is sent before it ends.
    process.terminate();

    let (mut stream, _) = timeout(PATIENCE, socket.accept()).await.expect("it calls").expect("a connection");
    let mut received = Vec::new();
    let complete = async {
        while !has_body(&received) {
            assert!(stream.read_buf(&mut received).await.expect("bytes") > 0, "cut short");
        }
    };
    timeout(PATIENCE, complete).await.expect("a whole request");
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.expect("it listens");

    let text = String::from_utf8_lossy(&received);
    assert!(text.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{text}");
    for expected in ["with-opentelemetry", "delivery", "listener", "with_opentelemetry::on_paid", "evt_1"] {
        assert!(text.contains(expected), "{expected} is missing in {text}");
    }
    assert!(process.wait(PATIENCE).success(), "{}", process.output());
}

fn has_body(request: &[u8]) -> bool {
    let Some(end) = request.windows(4).position(|it| it == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.expect("a length").trim().parse().expect("a number");
    request.len() >= end + 4 + length
}
