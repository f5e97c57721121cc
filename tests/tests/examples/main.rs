//! The examples, started as their users start them and asked over real connections.

use std::net::{Ipv4Addr, SocketAddr};

use support::http::{Request, Response};
use support::process::{PATIENCE, Process, Program};
use support::{free_port, sample, sign};

mod lambda;
mod observed;
mod pasted;

const SECRET: &str = "whsec_test_stripe";

/// An example that brings a server of its own.
struct Example {
    process: Process,
    address: SocketAddr,
}

impl Example {
    fn start(name: &str) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let folder = tempfile::tempdir().expect("a temporary folder");
        let process = Program::built(name)
            .current_dir(folder.path())
            .env("ADDRESS", address.to_string())
            .env("WEBHOOKS_SOURCES__STRIPE__SECRET", SECRET)
            .env("WEBHOOKS_SOURCES__GITHUB__SECRET", sample::secret("github"))
            .env("WEBHOOKS_DRAIN_DELAY", "0s")
            .start();
        process.wait_until_listening(address);
        Self { process, address }
    }

    async fn send(&self, request: Request) -> Response {
        request.send(self.address).await.expect("an answer")
    }

    async fn balance(&self) -> String {
        self.send(Request::new("GET", "/balance")).await.text()
    }
}

/// A payment of 42.00 with this event id, truly signed now.
fn payment(id: &str) -> Request {
    let body = sample::stripe_body(id);
    let headers = sign::stripe(SECRET, sign::now_unix(), body.as_bytes());
    Request::post("/webhooks/stripe").header("Content-Type", "application/json").headers(headers).body(body)
}

/// What every example with a shop does: its own route, the webhooks beside it, an end in order.
async fn keeps_shop(name: &str) {
    let example = Example::start(name);

    let delivered = example.send(payment("evt_1")).await;
    assert_eq!(delivered.status, 200);
    assert_eq!(delivered.header("webhook-delivery-id").map(str::len), Some(32));
    assert_eq!(example.send(payment("evt_1")).await.status, 200, "again");
    assert!(example.balance().await.starts_with("4200 cents"), "counted once");

    let forged = example.send(payment("evt_2").body("{}")).await;
    assert_eq!(forged.status, 401);
    assert!(forged.text().starts_with(r#"{"error":"signature_mismatch""#), "{}", forged.text());
    assert_eq!(example.send(Request::post("/webhooks/stripe")).await.status, 401, "unsigned");
    assert_eq!(example.send(Request::post("/webhooks/%73tripe")).await.status, 404, "a second spelling");
    assert_eq!(example.send(Request::post("/elsewhere")).await.status, 404);
    let fetched = example.send(Request::new("GET", "/webhooks/stripe")).await;
    assert_eq!((fetched.status, fetched.header("allow")), (405, Some("POST")));
    // Refused by what its head declares: a server that closes on unread bytes may take its own answer back.
    let large = payment("evt_3").body("").header("Content-Length", ((1 << 20) + 1).to_string());
    assert_eq!(example.send(large).await.status, 413);
    assert!(example.balance().await.starts_with("4200 cents"), "nothing else counted");

    example.process.terminate();
    let status = example.process.wait(PATIENCE);
    assert!(status.success(), "{status}\n{}", example.process.output());
}

#[tokio::test]
async fn with_axum() {
    keeps_shop("with-axum").await;
}

#[tokio::test]
async fn with_axum_counts_stars() {
    let example = Example::start("with-axum");
    for (id, event, body) in [
        ("1", "star", r#"{"action":"created","repository":{"stargazers_count":7}}"#),
        // Heard by nobody.
        ("2", "push", r#"{"ref":"refs/heads/main","repository":{"stargazers_count":8}}"#),
    ] {
        let headers = sign::github(sample::secret("github"), id, event, body.as_bytes());
        let request = Request::post("/webhooks/github").header("Content-Type", "application/json");
        assert_eq!(example.send(request.headers(headers).body(body)).await.status, 200, "{event}");
    }
    assert_eq!(example.balance().await, "0 cents, 7 stars\n");
}

#[tokio::test]
async fn with_actix() {
    keeps_shop("with-actix").await;
}

#[tokio::test]
async fn with_hyper() {
    keeps_shop("with-hyper").await;
}

#[test]
fn quickstart_demonstrates_itself() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let process = Program::built("quickstart").arg("--demo").current_dir(folder.path()).start();
    let status = process.wait(PATIENCE);
    assert!(status.success(), "{}", process.output());
    let statuses: Vec<_> =
        process.stdout().to_the_end().into_iter().filter(|line| line.contains('→')).collect();
    assert_eq!(statuses, ["  → 200", "  → 200", "  → 401"]);
}

/// With a PostgreSQL of its own, that is gone with it.
#[test]
fn with_postgres_adds_up() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let process = Program::built("with-postgres").arg("--demo").current_dir(folder.path()).start();
    let status = process.wait(PATIENCE);
    assert!(status.success(), "{}", process.output());
    let balances: Vec<_> =
        process.stdout().to_the_end().into_iter().filter(|line| line.ends_with("as it should be")).collect();
    let expected = ["ada         89.70", "grace      107.46", "edsger      59.80", "barbara     71.64"];
    assert_eq!(balances, expected.map(|balance| format!("  ✔ {balance}, as it should be")));
}

#[tokio::test]
async fn with_postgres_tells_each_change_once() {
    let example = Example::start("with-postgres");
    for _ in 0..3 {
        assert_eq!(example.send(payment("evt_1")).await.status, 200);
    }
    assert_eq!(example.send(payment("evt_2")).await.status, 200);
    example.process.stdout().line(|line| line == "  ✔ somebody has 84.00").await;
    example.process.terminate();
    let status = example.process.wait(PATIENCE);
    assert!(status.success(), "{status}\n{}", example.process.output());
    let told = example.process.stdout().to_the_end();
    let told: Vec<_> = told.iter().filter(|line| line.contains('✔')).collect();
    assert_eq!(told, ["  ✔ somebody has 42.00", "  ✔ somebody has 84.00"]);
}

#[tokio::test]
async fn receiver_prints_an_event_as_a_line() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let settings = format!("[webhooks]\nhttp.bind = \"{address}\"\nsources.stripe.secret = \"{SECRET}\"\n");
    let file = folder.path().join("my-sources.toml");
    std::fs::write(&file, settings).expect("a file");
    let process = Program::built("receiver").env("WEBHOOKS_CONFIG", &file).start();
    process.wait_until_listening(address);

    assert_eq!(payment("evt_1").send(address).await.expect("an answer").status, 200);

    let line = process.stdout().line(|line| line.starts_with('{')).await;
    let event: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    let expected = serde_json::json!({
        "source": "stripe", "id": "evt_1", "type": "payment_intent.succeeded", "attempt": 1
    });
    assert_eq!(event, expected);
}

#[test]
fn an_example_in_somebody_elses_server_lends_no_secret() {
    for name in ["with-axum", "with-actix", "with-hyper", "with-prometheus"] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let process =
            Program::built(name).current_dir(folder.path()).env("ADDRESS", address.to_string()).start();
        let status = process.wait(PATIENCE);
        assert!(!status.success(), "{name} started without a secret");
        let told = process.stderr().to_the_end().join("\n");
        assert!(told.contains("WEBHOOKS_SOURCES__STRIPE__SECRET"), "{name}: {told}");
    }
}
