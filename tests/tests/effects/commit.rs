//! When it matters: connections cut during COMMIT, servers killed before it, transactions in each other's way.

use std::sync::Arc;

use sqlx::Postgres;
use support::inbox::{InboxFolder, settled};
use support::postgres_relay::{Cut, PostgresRelay};
use support::postgres_server::PostgresServer;
use support::sample;
use support::scripted::Count;
use webhooks::{Event, EventKey, SourceName, State, Tx, Webhooks, listeners, webhook_listener};

use crate::bank::{Bank, built, deliver, event, event_of, pool};

#[tokio::test]
async fn tx_commit_ambiguous_before_the_server_had_it() {
    let bank = Bank::open().await;
    let relay = PostgresRelay::to(bank.server.address()).await;
    let receiver = bank.receiver_by(pool(&relay.url(&bank.url)).await, "").await;
    relay.cut_next_commit(Cut::Before);
    assert_eq!(deliver(&receiver, &event("evt_1", &[])).await, 200);
    assert!(relay.has_cut());
    assert_eq!((bank.deeds.begun("evt_1"), bank.ledger()), (2, vec!["evt_1 1".to_owned()]));
}

#[tokio::test]
async fn tx_commit_ambiguous_after_the_server_had_it() {
    let bank = Bank::open().await;
    let relay = PostgresRelay::to(bank.server.address()).await;
    let receiver = bank.receiver_by(pool(&relay.url(&bank.url)).await, "").await;
    relay.cut_next_commit(Cut::After);
    assert_eq!(deliver(&receiver, &event("evt_1", &[])).await, 200);
    assert!(relay.has_cut());
    assert_eq!((bank.deeds.begun("evt_1"), bank.ledger()), (1, vec!["evt_1 1".to_owned()]));
}

#[tokio::test]
async fn tx_commit_ambiguous_and_no_answer_at_all() {
    let bank = Bank::open().await;
    let relay = PostgresRelay::to(bank.server.address()).await;
    let receiver = bank.receiver_by(pool(&relay.url(&bank.url)).await, "inline.timeout = \"500ms\"").await;
    relay.cut_next_commit(Cut::Silence);
    assert_eq!(deliver(&receiver, &event("evt_1", &[])).await, 500, "for all that is known");
    assert_eq!(deliver(&receiver, &event("evt_1", &[])).await, 200);
    assert_eq!((bank.deeds.begun("evt_1"), bank.ledger()), (1, vec!["evt_1 1".to_owned()]));
}

#[tokio::test]
async fn tx_commit_ambiguous_out_of_the_inbox() {
    for engine in ["sqlite", "postgres"] {
        let (bank, folder) = (Bank::open().await, InboxFolder::new());
        let relay = PostgresRelay::to(bank.server.address()).await;
        let by_relay = pool(&relay.url(&bank.url)).await;
        let receiver = bank.receiver_by(by_relay, &bank.inbox(engine, &folder)).await;
        let inbox = receiver.inbox().expect("an inbox");
        for (number, cut) in [Cut::Before, Cut::After, Cut::Before, Cut::After].into_iter().enumerate() {
            relay.cut_next_commit(cut);
            assert_eq!(deliver(&receiver, &event(&format!("evt_{number}"), &[])).await, 200);
            settled(&inbox).await;
            assert!(relay.has_cut());
        }
        assert_eq!(bank.ledger(), ["evt_0 1", "evt_1 1", "evt_2 1", "evt_3 1"], "{engine}");
    }
}

#[tokio::test]
async fn a_server_that_is_killed_before_the_commit() {
    let bank = Bank::on(Arc::new(PostgresServer::start())).await;
    let receiver = Arc::new(bank.receiver("").await);
    let delivery = tokio::spawn({
        let receiver = Arc::clone(&receiver);
        async move { deliver(&receiver, &event("evt_1", &["wait"])).await }
    });
    bank.until_sessions(1, "query LIKE 'INSERT INTO ledger%' AND state = 'idle in transaction'").await;
    bank.server.kill9();
    bank.deeds.gate.open();
    assert_eq!(delivery.await.expect("no panic"), 500);

    let mut bank = bank;
    Arc::get_mut(&mut bank.server).expect("it is this test's own").restart();
    assert!(bank.ledger().is_empty());
    assert_eq!(deliver(&receiver, &event("evt_1", &[])).await, 200);
    assert_eq!(bank.ledger(), ["evt_1 2"]);
}

/// What PostgreSQL answers when two transactions were in each other's way.
#[tokio::test]
async fn a_serialization_failure_spends_no_attempt() {
    let bank = Bank::open().await;
    let receiver = bank.receiver("inline.max_attempts = 1").await;
    for code in ["40001", "40P01", "55P03"] {
        let raise = format!("DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{code}'; END $$");
        assert_eq!(deliver(&receiver, &event(code, &[&raise, &raise])).await, 200);
        assert_eq!(bank.deeds.begun(code), 3);
    }
    assert_eq!(bank.ledger(), ["40001 1", "40P01 1", "55P03 1"]);
}

#[tokio::test]
async fn a_serialization_failure_that_does_not_pass_is_a_failure() {
    let bank = Bank::open().await;
    let receiver = bank.receiver("").await;
    let raise = "DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '40001'; END $$";
    let event = event("evt_1", &[raise; 6]);
    assert_eq!(deliver(&receiver, &event).await, 500);
    assert_eq!(bank.deeds.begun("evt_1"), 6, "it is bounded");
    assert_eq!(deliver(&receiver, &event).await, 200);
    assert_eq!(bank.ledger(), ["evt_1 2"]);
}

#[derive(serde::Deserialize)]
struct Transfer {
    from: i32,
    to: i32,
}

/// Takes from one account, waits until another has done the same, and gives to the other.
#[webhook_listener(source = "*", id = "transfer")]
async fn transfer(
    Event(it): Event<Transfer>,
    mut tx: Tx<Postgres>,
    both: State<tokio::sync::Barrier>,
    begun: State<Count>,
) -> webhooks::Result {
    begun.add();
    let sql = "UPDATE accounts SET cents = cents + $2 WHERE id = $1";
    sqlx::query(sql).bind(it.from).bind(-1).execute(&mut *tx).await?;
    if begun.get() <= 2 {
        both.wait().await;
    }
    sqlx::query(sql).bind(it.to).bind(1).execute(&mut *tx).await?;
    Ok(())
}

#[tokio::test]
async fn a_deadlock_is_somebody_elses_fault() {
    let bank = Bank::open().await;
    bank.server.query_in(
        &bank.url,
        "CREATE TABLE accounts (id int PRIMARY KEY, cents int); INSERT INTO accounts VALUES (1, 0), (2, 0)",
    );
    let begun = Count::new();
    let builder = Webhooks::builder().settings("inline.max_attempts = 1".parse().expect("good settings"));
    let builder = builder.source("stripe", |source| source.secret(sample::secret("stripe")));
    let builder = builder.state(tokio::sync::Barrier::new(2)).state(begun.clone()).state(bank.pool.clone());
    let receiver = built(builder.listeners(listeners![transfer])).await;
    let (there, back) =
        (event_of("evt_1", r#"{"from":1,"to":2}"#), event_of("evt_2", r#"{"from":2,"to":1}"#));

    let statuses = tokio::join!(deliver(&receiver, &there), deliver(&receiver, &back));

    assert_eq!((statuses, begun.get()), ((200, 200), 3), "one of them had to begin again");
    assert_eq!(bank.server.query_in(&bank.url, "SELECT cents FROM accounts ORDER BY id"), "0\n0");
    assert_eq!(bank.marks(), "2");
}

/// Another attempt is under way, in a process that is not to be seen from here.
#[tokio::test]
async fn an_attempt_that_is_under_way_is_waited_for() {
    let bank = Bank::open().await;
    let receiver = Arc::new(bank.receiver("inline.max_attempts = 1").await);
    for (id, ends) in [("evt_1", "in time"), ("evt_2", "late")] {
        let key = EventKey::new(&SourceName::new("stripe").expect("a name"), &[id.as_bytes()]);
        let mut other = bank.pool.begin().await.expect("a transaction");
        sqlx::query("INSERT INTO webhook_effects (event, listener, source) VALUES ($1, 'credit', 'stripe')")
            .bind(key.to_string())
            .execute(&mut *other)
            .await
            .expect("a row");
        let delivery = tokio::spawn({
            let receiver = Arc::clone(&receiver);
            async move { deliver(&receiver, &event(id, &[])).await }
        });
        match ends {
            "in time" => bank.until_sessions(1, "wait_event_type = 'Lock'").await,
            _ => drop(
                bank.server.log().line(|line| line.contains("canceling statement due to lock timeout")).await,
            ),
        }
        other.rollback().await.expect("a rollback");
        assert_eq!(delivery.await.expect("no panic"), 200, "{ends}");
    }
    assert_eq!(bank.ledger(), ["evt_1 1", "evt_2 1"]);
}

/// A process that stands still with its transaction open must not hold an event for ever.
#[tokio::test]
async fn a_transaction_may_stand_idle_for_little_longer_than_its_run() {
    let bank = Bank::open().await;
    let receiver = bank.receiver("inline.timeout = \"10s\"").await;
    let note = |name: &str| format!("INSERT INTO ledger SELECT current_setting('{name}'), 0");
    let limits = [note("idle_in_transaction_session_timeout"), note("lock_timeout")].join(";");
    assert_eq!(deliver(&receiver, &event("evt_1", &[&limits])).await, 200);
    assert_eq!(bank.ledger(), ["15s 0", "5s 0", "evt_1 1"]);
}

/// What was answered as done is on disk, whatever the database does by default.
#[tokio::test]
async fn a_commit_is_on_disk() {
    let bank = Bank::open().await;
    let (_, database) = bank.url.rsplit_once('/').expect("a database");
    bank.server.query(&format!("ALTER DATABASE {database} SET synchronous_commit = off"));
    let receiver = bank.receiver_by(pool(&bank.url).await, "").await;
    let note = "INSERT INTO ledger SELECT current_setting('synchronous_commit'), 0";
    assert_eq!(deliver(&receiver, &event("evt_1", &[note])).await, 200);
    assert_eq!(bank.ledger(), ["evt_1 1", "on 0"]);
}
