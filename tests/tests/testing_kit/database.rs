//! Trials of listeners that write to a database.

use std::sync::Arc;

use serde_json::json;
use sqlx::postgres::PgPoolOptions;
use sqlx::{PgPool, Postgres};
use support::postgres_server::PostgresServer;
use webhooks::testing::{self, Trial};
use webhooks::{State, Tx, WebhookEvent, Webhooks, listeners, webhook_listener};

const SCHEMA: &str = "CREATE TABLE certain (event text); CREATE TABLE plain (event text);
                      CREATE TABLE guarded (event text PRIMARY KEY)";

/// The record of what ran is a part of the state, too; it is not there before the first start.
const FRESH: &str = "TRUNCATE certain, plain, guarded;
                     DO 'BEGIN IF to_regclass(''webhook_effects'') IS NOT NULL
                         THEN TRUNCATE webhook_effects; END IF; END'";

/// Two statements, which commit together with the record that it ran.
#[webhook_listener(source = "stripe")]
async fn certain(event: WebhookEvent, mut tx: Tx<Postgres>) -> webhooks::Result {
    for _ in 0..2 {
        sqlx::query("INSERT INTO certain VALUES ($1)").bind(event.id()).execute(&mut *tx).await?;
    }
    Ok(())
}

/// Knows by the event's id what it has done.
#[webhook_listener(source = "stripe")]
async fn guarded(event: WebhookEvent, pool: State<PgPool>) -> webhooks::Result {
    let insert = sqlx::query("INSERT INTO guarded VALUES ($1) ON CONFLICT DO NOTHING");
    insert.bind(event.id()).execute(&*pool).await?;
    Ok(())
}

/// Takes every run for the first.
#[webhook_listener(source = "stripe")]
async fn plain(event: WebhookEvent, pool: State<PgPool>) -> webhooks::Result {
    sqlx::query("INSERT INTO plain VALUES ($1)").bind(event.id()).execute(&*pool).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_and_a_guard_are_safe_and_a_plain_insert_is_not() {
    let server = PostgresServer::shared();
    let url = server.database();
    server.query_in(&url, SCHEMA);
    let pool = Arc::new(PgPoolOptions::new().max_connections(8).connect(&url).await.expect("a connection"));
    let fresh = async || {
        sqlx::raw_sql(FRESH).execute(&*pool).await.expect("empty tables");
        Arc::clone(&pool)
    };
    let findings = testing::trials(fresh, |pool: &Arc<PgPool>| {
        Webhooks::builder().shared_state(Arc::clone(pool)).listeners(listeners![certain, guarded, plain])
    })
    .deliver([1, 2].map(|n| testing::stripe("charge.succeeded").id(format!("evt_{n}")).json(json!({"n": n}))))
    .compare(async |pool| {
        let mut rows = Vec::new();
        for table in ["certain", "guarded", "plain"] {
            let sql = format!("SELECT '{table} ' || event FROM {table} ORDER BY 1");
            let found: Vec<String> =
                sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_all(&**pool).await.expect("rows");
            rows.extend(found);
        }
        rows
    })
    .await
    .unwrap_or_else(|error| panic!("{error}"));

    assert_eq!(findings.tried().len(), 3);
    assert!(findings.of("certain").is_empty() && findings.of("guarded").is_empty(), "{findings}");
    let plain: Vec<_> = findings.of("plain").iter().map(|it| it.trial).collect();
    assert!(plain.contains(&Trial::Crash) && plain.contains(&Trial::Redelivery), "{findings}");
}
