//! The same rows by hand: for SQLite a loop that commits whatever has queued up, for PostgreSQL one `INSERT`.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

use rusqlite::{Connection, params};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::Engine;
use super::service::Service;
use crate::AnyError;

static NEXT: AtomicU64 = AtomicU64::new(0);

/// What a hand-written inbox does to be able to answer 200.
#[derive(Clone)]
pub(super) enum Bare {
    Sqlite(mpsc::Sender<Row>),
    Postgres(PgPool),
}

pub(super) struct Row {
    number: u64,
    done: oneshot::Sender<()>,
}

impl Bare {
    pub(super) async fn open(engine: &Engine) -> Result<Self, AnyError> {
        match engine {
            Engine::Sqlite(path) => {
                // The same tables and indexes, made by the same hand.
                drop(Service::start(engine, true).await?);
                Ok(Self::Sqlite(group_commits(path)?))
            }
            Engine::Postgres(url) => {
                // As many connections as our own pool has.
                let pool =
                    PgPoolOptions::new().max_connections(16).test_before_acquire(false).connect(url).await?;
                let table =
                    "CREATE TABLE inbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key text UNIQUE,
                             source text, headers bytea, body bytea, due_at bigint);
                             CREATE INDEX ON inbox (due_at)";
                sqlx::raw_sql(table).execute(&pool).await?;
                Ok(Self::Postgres(pool))
            }
        }
    }

    /// Has as many clients put down as many rows between them.
    pub(super) async fn put(&self, clients: u64, total: u64) -> Result<u64, AnyError> {
        let body = Arc::new(vec![b'x'; 1_024]);
        let mut all = JoinSet::new();
        for _ in 0..clients {
            let (bare, body) = (self.clone(), Arc::clone(&body));
            all.spawn(async move {
                for _ in 0..total / clients {
                    bare.put_one(&body).await?;
                }
                Ok::<_, AnyError>(())
            });
        }
        while let Some(client) = all.join_next().await {
            client??;
        }
        Ok(total)
    }

    async fn put_one(&self, body: &[u8]) -> Result<(), AnyError> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        match self {
            Self::Sqlite(rows) => {
                let (done, wait) = oneshot::channel();
                rows.send(Row { number, done }).map_err(|_| "the loop has ended")?;
                Ok(wait.await?)
            }
            Self::Postgres(pool) => {
                sqlx::query(
                    "INSERT INTO inbox (key, source, headers, body, due_at) VALUES ($1, $2, $3, $4, $5)",
                )
                .bind(key(number))
                .bind("hmac")
                .bind(&b"[]"[..])
                .bind(body)
                .bind(0_i64)
                .execute(pool)
                .await?;
                Ok(())
            }
        }
    }
}

/// Of the length of ours, and in as little order.
fn key(number: u64) -> String {
    // By an odd constant, so that no two are equal: 2^64 by the golden ratio.
    let scattered = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    format!("wh1:hmac:{scattered:016x}{number:048x}")
}

fn group_commits(path: &Path) -> Result<mpsc::Sender<Row>, AnyError> {
    let connection = Connection::open(path)?;
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")?;
    let (sender, rows) = mpsc::channel::<Row>();
    std::thread::spawn(move || {
        while let Ok(first) = rows.recv() {
            let mut together = vec![first];
            together.extend(rows.try_iter().take(255));
            if commit(&connection, &together).is_err() {
                return;
            }
            for row in together {
                // Whoever waited may have gone.
                let _ = row.done.send(());
            }
        }
    });
    Ok(sender)
}

fn commit(connection: &Connection, rows: &[Row]) -> rusqlite::Result<()> {
    let body = vec![b'x'; 1_024];
    connection.execute_batch("BEGIN IMMEDIATE")?;
    for row in rows {
        let sql = "INSERT INTO deliveries (source, delivery, received_at, signed, headers, body) VALUES ('hmac', ?1, 0, 1, '[]', ?2)";
        let delivery = connection.prepare_cached(sql)?.insert(params![row.number.to_be_bytes(), body])?;
        let sql =
            "INSERT INTO events (delivery, key, event_id, type, payload_start, payload_length, retention)
                   VALUES (?1, ?2, ?3, 'payment.succeeded', 0, 1024, 0)";
        let id = format!("evt_{}", row.number);
        let event = connection.prepare_cached(sql)?.insert(params![delivery, key(row.number), id])?;
        let sql = "INSERT INTO runs (event, listener, due_at) VALUES (?1, 'benchmarks::listen', 0)";
        connection.prepare_cached(sql)?.insert([event])?;
    }
    connection.execute_batch("COMMIT")
}
