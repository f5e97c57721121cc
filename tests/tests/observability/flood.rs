//! A hundred thousand forgeries: counted to the last one, told in a few lines, and none of their bytes is in the log.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use http::Method;
use serde_json::Value;
use support::fleet::{ProbeOptions, SECRET};
use support::http::{Connection, Request};
use support::inside::{Inside, Post};
use support::log::Log;
use support::metrics::Metrics;
use support::{sample, sign};
use webhooks::{Clock, Failure};

/// What is to be said of a flood, however long it takes: a line a second and source, and the first one.
fn at_most(lasted: Duration) -> usize {
    lasted.as_secs() as usize + 2
}

/// All that a header can hold, with what an 8-bit terminal takes for the beginning of a command.
const NASTY: &[u8] = b"sha256=\xc2\x9b31m\x9b2J\x85 \"}{%0d%0a level=ERROR";

#[tokio::test]
async fn log_flood() {
    const MANY: usize = 100_000;
    let log = Log::capture();
    let metrics = Metrics::collect();
    let clock = Clock::turnable();
    let inside = Inside::with(sample::sources(&["github"]).clock(clock.clone())).await;
    let unsigned = Post::to("github").header("X-GitHub-Event", NASTY).header("User-Agent", NASTY);
    let malformed = sample::of("github", "an-id").with("X-Hub-Signature-256", NASTY);
    let wrong = malformed.clone().with("X-Hub-Signature-256", format!("sha256={}", "0".repeat(64)));
    let wrong = wrong.with("X-GitHub-Event", "push%1b[31m").body("{\"ref\":\"\x1b[31m\r\n\"}");
    let astray = Post::at("/webhooks/%1b%5b31m").header("X-Hub-Signature-256", NASTY);
    let began = Instant::now();
    let before = log.lines().len();
    for index in 0..MANY {
        let forgery = match index % 20 {
            0 => &wrong,
            1 => &astray,
            index if index % 2 == 0 => &malformed,
            _ => &unsigned,
        };
        let status = inside.send(forgery.clone()).await.status.as_u16();
        assert_eq!(status, if index % 20 == 1 { 404 } else { 401 });
    }
    let lasted = began.elapsed();
    // The next line of each tells of those that were held back since the last.
    clock.advance(Duration::from_secs(2));
    for last in [wrong, astray] {
        inside.send(last).await;
    }
    let lines = log.lines().split_off(before);

    assert!(lines.len() <= 2 * at_most(lasted) + 2, "{} lines in {lasted:?}", lines.len());
    let told = |source: &str| -> usize {
        let theirs = lines.iter().filter(|line| line["source"] == source);
        theirs.map(|line| 1 + line["held_back"].as_u64().expect("how many more") as usize).sum()
    };
    assert_eq!((told("github"), told("unknown")), (MANY - MANY / 20 + 1, MANY / 20 + 1));
    let expected = (MANY - MANY / 20 + 1) as u64;
    assert_eq!(inside.report("github").outcomes, [("rejected", expected)]);
    let rejected = |reason| {
        metrics.value("webhooks_rejections_total", &[("source", "github"), ("reason", reason)]) as usize
    };
    assert_eq!(rejected("signature_mismatch"), MANY / 20 + 1);
    assert_eq!(rejected("signature_malformed"), MANY / 20 * 9);
    assert_eq!(rejected("signature_missing"), MANY / 20 * 9);
    let of_strangers = [("source", "unknown"), ("outcome", "unknown_source")];
    assert_eq!(metrics.value("webhooks_deliveries_total", &of_strangers) as usize, MANY / 20 + 1);
    assert_clean(&lines);
    assert!(inside.heard().is_empty());
}

/// Nothing that the forgeries said is in there.
fn assert_clean(lines: &[Value]) {
    for line in lines {
        let line = line.to_string();
        assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{line}");
        for theirs in ["31m", "2J", "%0d", "level=ERROR", "push%", "refs"] {
            assert!(!line.contains(theirs), "{theirs}: {line}");
        }
    }
}

/// What anyone can have answered without a signature is anyone's to repeat, too.
#[tokio::test]
async fn handshakes_without_a_signature_fill_no_log() {
    const MANY: usize = 10_000;
    let log = Log::capture();
    let inside = Inside::with(sample::sources(&[]).source("x-twitter", |it| it.secret("a secret"))).await;
    let ask = |token: &str| Post::at(&format!("/webhooks/x-twitter?crc_token={token}")).method(Method::GET);
    let began = Instant::now();
    let before = log.lines().len();
    for index in 0..MANY {
        let (token, status) = if index % 2 == 0 { ("abc", 200) } else { ("%7b%1b", 400) };
        assert_eq!(inside.send(ask(token)).await.status, status);
    }
    let lines = log.lines().split_off(before);
    let lasted = began.elapsed();

    assert!(lines.len() <= at_most(lasted), "{} lines in {lasted:?}", lines.len());
    let report = inside.report("x-twitter");
    assert_eq!((report.count("challenge"), report.count("malformed")), (5_000, 5_000));
}

/// The same over a socket, into the log that people read: bytes that no header may hold do not even get that far.
#[tokio::test]
async fn log_flood_over_a_socket() {
    const MANY: usize = 2_000;
    let probe = ProbeOptions::alone().start();
    let began = Instant::now();
    let forge = |index: usize| {
        let address = probe.address();
        let nasty: &[u8] = match index % 4 {
            0 => b"t=1\r\n\x1b[2J\x1b[31mERROR forged: line",
            1 => b"t=1,v1=\x1b]0;owned\x07",
            2 => b"t=1,v1=\x9b31m\x85",
            _ => b"t=1,v1=00",
        };
        async move {
            let request =
                Request::post("/webhooks/stripe").header("Stripe-Signature", nasty).body("\x1b[2J\r\n");
            let answer = request.send(address).await.expect("an answer");
            assert!([400, 401].contains(&answer.status), "{}", answer.status);
        }
    };
    for batch in 0..MANY / 100 {
        join_all((0..100).map(|index| forge(batch * 100 + index))).await;
    }
    let mut half = Connection::open(probe.address()).await.expect("a connection");
    half.write(b"POST /webhooks/\x1b[31m HTTP/1.1\r\n\r\n").await.expect("written");
    assert_eq!(half.response().await.expect("an answer").status, 400);
    let genuine = probe.deliver("evt_1", "{}").await.expect("an answer");
    assert_eq!(genuine.status, 200);
    let lasted = began.elapsed();

    probe.process.kill9();
    let lines = probe.process.stderr().to_the_end();
    let refused = lines.iter().filter(|line| line.contains("delivery refused")).count();
    assert!((1..=at_most(lasted)).contains(&refused), "{refused} lines in {lasted:?}");
    let told = lines.iter().filter(|line| !line.contains("delivery refused")).count();
    assert!(told < 20, "{told} lines besides:\n{}", lines.join("\n"));
    for line in &lines {
        assert!(!line.chars().any(char::is_control), "{line:?}");
        assert!(!line.contains("owned") && !line.contains("forged") && !line.contains("31m"), "{line}");
    }
}

/// What a sender whom the provider vouches for has written into its event is escaped, wherever it stands.
#[tokio::test]
async fn what_was_verified_is_escaped_all_the_same() {
    let probe = ProbeOptions::alone().start();
    let body = r#"{"id":"evt_\u001b[31m\r\n1","type":"a\u001b[2J\u009b\nb","data":{"object":{}},"probe":{"a":{"permanent":true}}}"#;
    let headers = sign::stripe(SECRET, sign::now_unix(), body.as_bytes());
    let request = Request::post("/webhooks/stripe").headers(headers).body(body);
    assert_eq!(request.send(probe.address()).await.expect("an answer").status, 200);
    let dead = probe.process.stderr().line(|line| line.contains("event is dead")).await;
    assert!(dead.contains(r"evt_\u{1b}[31m\r\n1"), "{dead}");
    probe.process.kill9();
    for line in probe.process.stderr().to_the_end() {
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
}

#[tokio::test]
async fn an_error_that_quotes_its_sender_is_escaped() {
    let log = Log::capture();
    let quoting = |event: &webhooks::WebhookEvent| {
        let text = String::from_utf8_lossy(event.body()).into_owned();
        Err(Failure::permanent(format!("no such customer: {text}")))
    };
    let inside = Inside::answering(sample::sources(&["hmac"]), quoting).await;
    inside.send(sample::hmac("1", "{\"name\":\"a\"}\r\n\n")).await;
    let line = &log.lines_where("message", "listener failed")[0];
    assert_eq!(line["error"], r#"no such customer: {"name":"a"}\r\n\n"#);
}
