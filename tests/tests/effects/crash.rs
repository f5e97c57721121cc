//! The example `with-postgres`, killed: before its effects are recorded elsewhere, and at random.

#![allow(clippy::print_stdout, reason = "figures of a run")]

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use support::free_port;
use support::http::Request;
use support::inbox::until;
use support::postgres_server::PostgresServer;
use support::process::{PATIENCE, Process, Program};
use support::{sample, sign};
use tempfile::TempDir;

/// The example's data, which outlive its processes.
struct Ledger {
    server: PostgresServer,
    folder: TempDir,
    address: SocketAddr,
}

impl Ledger {
    fn new() -> Self {
        let address = (Ipv4Addr::LOCALHOST, free_port()).into();
        Self {
            server: PostgresServer::start(),
            folder: tempfile::tempdir().expect("a temporary folder"),
            address,
        }
    }

    fn program(&self) -> Program {
        Program::built("with-postgres")
            .current_dir(self.folder.path())
            .env("DATABASE_URL", self.server.url())
            .env("ADDRESS", self.address.to_string())
            .env("WEBHOOKS_SOURCES__STRIPE__SECRET", sample::secret("stripe"))
            .env("WEBHOOKS_INBOX__PROVIDER", "sqlite")
            .env("WEBHOOKS_INBOX__BACKOFF", "1ms")
    }

    fn start(&self) -> Process {
        let process = self.program().start();
        process.wait_until_listening(self.address);
        process
    }

    fn number(&self, sql: &str) -> u64 {
        self.server.query(sql).parse().expect("a number")
    }

    /// What the inbox says of the event.
    fn explain(&self, id: &str) -> String {
        self.operate(&["explain", id])
    }

    /// What an operator's command prints.
    fn operate(&self, command: &[&str]) -> String {
        let process = self.program().arg("webhooks").args(command).start();
        process.wait(PATIENCE);
        process.stdout().to_the_end().join("\n")
    }
}

/// Delivers a payment of one to a customer of this name.
async fn pay(address: SocketAddr, id: &str, customer: &str) -> std::io::Result<u16> {
    let body = format!(
        r#"{{"id":"{id}","type":"payment_intent.succeeded","data":{{"object":{{"customer":"{customer}","amount":1}}}}}}"#
    );
    let headers = sign::stripe(sample::secret("stripe"), sign::now_unix(), body.as_bytes());
    let response = Request::post("/webhooks/stripe").headers(headers).body(body).send(address).await?;
    Ok(response.status)
}

/// The money is committed, and the process dies before the inbox knows.
#[tokio::test]
async fn killed_between_the_effect_and_its_settlement() {
    let ledger = Ledger::new();
    let process = ledger.start();
    // The listener is held at the customer's balance …
    ledger.server.query("INSERT INTO balances VALUES ('ada', 0)");
    let pool = crate::bank::pool(&ledger.server.url()).await;
    let mut held = pool.begin().await.expect("a transaction");
    sqlx::query("SELECT FROM balances FOR UPDATE").execute(&mut *held).await.expect("a lock");
    assert_eq!(pay(ledger.address, "evt_1", "ada").await.expect("an answer"), 200);
    until(async || {
        ledger.number("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") == 1
    })
    .await;
    // … until nothing can be written into the inbox any more.
    let inbox = rusqlite::Connection::open(ledger.folder.path().join("webhooks.db")).expect("the inbox");
    inbox.execute_batch("BEGIN IMMEDIATE").expect("a lock");
    held.rollback().await.expect("a rollback");
    until(async || ledger.number("SELECT cents FROM balances") == 1).await;
    process.kill9();
    drop(inbox);
    let unsettled = ledger.explain("evt_1");
    assert!(unsettled.contains("runs now: attempt 1"), "{unsettled}");

    let _process = ledger.start();
    until(async || ledger.explain("evt_1").contains("handled")).await;
    let settled = ledger.explain("evt_1");
    assert!(settled.contains("after 2 attempts"), "{settled}");
    assert_eq!(ledger.server.query("SELECT cents, (SELECT count(*) FROM entries) FROM balances"), "1|1");
}

/// How long the sweep goes on; the program `soak` goes on for longer.
const SWEEP: Duration = Duration::from_secs(6);

/// Clients pay while the service is killed again and again, and PostgreSQL with it. Every payment that was acknowledged
/// is credited, and none twice.
#[tokio::test(flavor = "multi_thread")]
async fn kill9_sweep() {
    let mut ledger = Ledger::new();
    let mut process = ledger.start();
    let (stop, address) = (Arc::new(AtomicBool::new(false)), ledger.address);
    let clients: Vec<_> = (0..4)
        .map(|client| {
            let stop = Arc::clone(&stop);
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                for number in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let id = format!("evt_{client}_{number}");
                    match pay(address, &id, &format!("customer_{}", number % 3)).await {
                        Ok(200) => acknowledged.push(id),
                        // Refused, or cut off before the answer: a provider would send it again.
                        _ => tokio::time::sleep(Duration::from_millis(20)).await,
                    }
                }
                acknowledged
            })
        })
        .collect();
    let (began, mut kills) = (Instant::now(), 0);
    while began.elapsed() < SWEEP {
        tokio::time::sleep(Duration::from_millis(200 + 97 * (kills % 7))).await;
        process.kill9();
        if kills % 3 == 1 {
            ledger.server.kill9();
            ledger.server.restart();
        }
        kills += 1;
        process = ledger.start();
    }
    stop.store(true, Ordering::Relaxed);
    let mut acknowledged = BTreeSet::new();
    for client in clients {
        acknowledged.extend(client.await.expect("no client panics"));
    }
    wait_for_credits(&ledger, &acknowledged);

    println!("{kills} kills, {} payments acknowledged", acknowledged.len());
    assert!(kills > 1 && acknowledged.len() > 20, "{kills} kills, {} payments", acknowledged.len());
    assert_eq!(ledger.number("SELECT count(*) - count(DISTINCT event) FROM entries"), 0, "credited twice");
    assert_eq!(
        ledger.server.query("SELECT sum(cents) FROM balances"),
        ledger.server.query("SELECT count(*) FROM entries"),
    );
}

/// Waits until all of them are credited, for as long as that comes nearer. Who was at work at three kills in a row is
/// given up, and begun afresh by an operator: that is once too.
fn wait_for_credits(ledger: &Ledger, acknowledged: &BTreeSet<String>) {
    let (mut left, mut since) = (usize::MAX, Instant::now());
    loop {
        let credited = ledger.server.query("SELECT DISTINCT event FROM entries");
        let credited: BTreeSet<_> = credited.lines().map(str::to_owned).collect();
        let missing: Vec<_> = acknowledged.difference(&credited).collect();
        let Some(first) = missing.first() else { return };
        if missing.len() < left {
            (left, since) = (missing.len(), Instant::now());
        }
        assert!(since.elapsed() < PATIENCE, "{left} are missing. {}", ledger.explain(first));
        ledger.operate(&["replay", "--reason", "crash_loop"]);
        std::thread::sleep(Duration::from_millis(100));
    }
}
