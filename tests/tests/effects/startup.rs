//! What is found, made and warned of at startup; and what is swept from then on.

use sqlx::Postgres;
use support::inbox::until;
use support::postgres_server::PostgresServer;
use webhooks::{Event, Tx, listeners, webhook_listener};

use crate::bank::{Bank, deliver, event, pool};

const TWICE: u32 = line!() + 2;
#[webhook_listener(source = "stripe")]
async fn twice(_: Tx<Postgres>, _: Event<()>, _: Tx<Postgres>) {}

async fn report(builder: webhooks::Builder) -> String {
    builder.build().await.expect_err("it cannot start").to_string()
}

#[tokio::test]
async fn a_pool_that_is_not_given() {
    let bank = Bank::open().await;
    let report = report(bank.builder("")).await;
    let expected = "webhooks cannot start: 1 problem\n\n \
        1. listener `effects::bank::credit` (tests/tests/effects/bank.rs:LINE) takes `Tx<Postgres>`, but no `PgPool` was given\n    \
        help: webhooks::autoconfigure().state(pool), with a `PgPool` of sqlx 0.9";
    let start = report.find("bank.rs:").expect("a place") + "bank.rs:".len();
    let line: String = report[start..].chars().take_while(char::is_ascii_digit).collect();
    assert_eq!(report, expected.replace("LINE", &line));
}

#[tokio::test]
async fn a_second_transaction() {
    let bank = Bank::open().await;
    let report = report(bank.builder("").state(bank.pool.clone()).listeners(listeners![twice])).await;
    let expected = format!(
        "webhooks cannot start: 1 problem\n\n \
         1. listener `effects::startup::twice` (tests/tests/effects/startup.rs:{TWICE}) takes a second `Tx<Postgres>`: \
         two do not commit together\n    \
         help: take one, and use it for everything"
    );
    assert_eq!(report, expected);
    assert_eq!(
        bank.server.query_in(&bank.url, "SELECT to_regclass('webhook_effects')"),
        "",
        "nothing was made"
    );
}

#[tokio::test]
async fn the_table_is_made_once() {
    let bank = Bank::open().await;
    let starts = (0..4).map(|_| bank.receiver(""));
    let receivers = futures_util::future::join_all(starts).await;
    assert_eq!(receivers.len(), 4);
    let comment = "SELECT obj_description('webhook_effects'::regclass)";
    assert_eq!(bank.server.query_in(&bank.url, comment), "webhooks 1");
    bank.receiver("").await;
}

#[tokio::test]
async fn a_role_that_may_not_make_it_says_what_to_do() {
    let bank = Bank::open().await;
    // Roles are the whole server's, which other tests share.
    let role = format!("app_{}", bank.url.rsplit('_').next().expect("a number"));
    bank.server.query_in(&bank.url, &format!("CREATE ROLE {role} LOGIN; GRANT INSERT ON ledger TO {role}"));
    let url = bank.url.replacen("postgres@", &format!("{role}@"), 1);
    let of_role = pool(&url).await;

    let first = report(bank.builder("").state(of_role.clone())).await;
    let expected =
        "listeners take `Tx<Postgres>`, but the table `webhook_effects` is not there, and cannot be made";
    assert!(first.contains(expected), "{first}");
    let (_, sql) = first.split_once("have a role that may make it:\n").expect("a remedy");
    // All of it but the last line: the table is there, but this role may not use it.
    let (table, grant) = sql.trim_end().rsplit_once('\n').expect("several lines");
    bank.server.query_in(&bank.url, table);
    let second = report(bank.builder("").state(of_role.clone())).await;
    assert!(
        second.contains("the table `webhook_effects` may not be used by the role of the `PgPool`"),
        "{second}"
    );
    assert!(second.contains(grant.trim()), "{second}");
    bank.server.query_in(&bank.url, grant);

    let receiver = bank.receiver_by(of_role, "").await;
    assert_eq!(deliver(&receiver, &event("evt_1", &[])).await, 200);
    assert_eq!(bank.ledger(), ["evt_1 1"]);
}

#[tokio::test]
async fn a_table_that_would_not_do_is_refused() {
    let bank = Bank::open().await;
    bank.receiver("").await;
    let reports = async |sql: &str| {
        bank.server.query_in(&bank.url, sql);
        report(bank.builder("").state(pool(&bank.url).await)).await
    };
    let later = reports("COMMENT ON TABLE webhook_effects IS 'webhooks 2'").await;
    assert!(later.contains("the table `webhook_effects` is of a later version"), "{later}");
    let sql = "COMMENT ON TABLE webhook_effects IS NULL; ALTER TABLE webhook_effects DROP CONSTRAINT webhook_effects_pkey";
    let doubles = reports(sql).await;
    assert!(doubles.contains("the table `webhook_effects` is not as it has to be"), "{doubles}");
    assert!(doubles.contains("PRIMARY KEY (event, listener)"), "{doubles}");
    bank.server.query_in(&bank.url, "ALTER TABLE webhook_effects ADD UNIQUE (listener, event)");
    bank.receiver("").await;
    let (_, database) = bank.url.rsplit_once('/').expect("a database");
    let reading = reports(&format!("ALTER DATABASE {database} SET default_transaction_read_only = on")).await;
    assert!(reading.contains("cannot be written: the connection is read-only"), "{reading}");
}

#[tokio::test]
async fn a_database_that_does_not_answer() {
    let server = PostgresServer::start();
    let options = sqlx::postgres::PgPoolOptions::new().acquire_timeout(std::time::Duration::from_millis(300));
    let pool = options.connect_lazy(&server.url()).expect("a pool");
    drop(server);
    let bank = Bank::open().await;
    let report = report(bank.builder("").state(pool)).await;
    assert!(report.contains("listeners take `Tx<Postgres>`, but the `PgPool` cannot be used"), "{report}");
}

#[tokio::test]
async fn rows_outlive_everything_else_and_then_go() {
    let bank = Bank::open().await;
    bank.receiver("").await;
    let rows = async |settings: &str, expected: i64| {
        bank.server.query_in(
            &bank.url,
            "TRUNCATE webhook_effects; INSERT INTO webhook_effects SELECT number, 'credit', 'stripe', NULL,
             now() - make_interval(days => number) FROM generate_series(0, 2500) AS number",
        );
        let receiver = bank.receiver(settings).await;
        let count =
            "SELECT count(*) FROM webhook_effects WHERE committed_at < now() - interval '30 days 1 second'";
        until(async || bank.count(count).await == expected).await;
        assert_eq!(deliver(&receiver, &event("evt_1", &[])).await, 200);
        assert_eq!(
            bank.server
                .query_in(&bank.url, "SELECT max(now() - committed_at) >= '1 day' FROM webhook_effects"),
            "t"
        );
    };
    // More than are swept at a time, for 90 days …
    rows("", 59).await;
    // … or as long as anything else of the event is remembered.
    rows("effects.keep = \"1h\"\nidempotency.ttl_seconds = 2592001", 0).await;
}
