//! A bank that credits what it is told of: a listener with a `Tx`, its database, and what it did.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlx::postgres::PgPoolOptions;
use sqlx::{PgPool, Postgres};
use support::inbox::{InboxFolder, until};
use support::inside::Post;
use support::postgres_server::PostgresServer;
use support::scripted::Gate;
use support::{sample, sign};
use webhooks::{Builder, Event, Reply, State, Tx, WebhookEvent, Webhooks, listeners, webhook_listener};

/// A database of the test's own, with a ledger in it.
pub(crate) struct Bank {
    pub(crate) server: Arc<PostgresServer>,
    pub(crate) url: String,
    pub(crate) pool: PgPool,
    pub(crate) deeds: Deeds,
}

/// How often the listener began with each event, and what holds it. Clones are the same.
#[derive(Clone)]
pub(crate) struct Deeds {
    begun: Arc<Mutex<HashMap<String, usize>>>,
    /// Where those who are told to wait do.
    pub(crate) gate: Gate,
}

/// What the listener is to do, after it has written: one word for each time that it begins, and nothing after that.
#[derive(serde::Deserialize)]
pub(crate) struct Orders {
    #[serde(default)]
    then: Vec<String>,
}

/// Writes a line for the event, and then does what its payload says.
#[webhook_listener(source = "*", id = "credit")]
pub(crate) async fn credit(
    Event(orders): Event<Orders>,
    event: WebhookEvent,
    mut tx: Tx<Postgres>,
    deeds: State<Deeds>,
) -> webhooks::Result {
    let id = event.id().unwrap_or("none");
    let time = deeds.begin(id);
    sqlx::query("INSERT INTO ledger (event, attempt) VALUES ($1, $2)")
        .bind(id)
        .bind(i64::from(event.attempt()))
        .execute(&mut *tx)
        .await?;
    match orders.then.get(time).map(String::as_str) {
        None => {}
        Some("fail") => return Err("told to".into()),
        Some("panic") => panic!("told to"),
        Some("hang") => std::future::pending().await,
        Some("wait") => deeds.gate.pass().await,
        // One of its statements fails, and it does not care.
        Some("swallow") => drop(sqlx::query("SELECT 1 / 0").execute(&mut *tx).await),
        // Held for longer than the run.
        Some("keep") => drop(tokio::spawn(async move {
            let _tx = tx;
            deeds.gate.pass().await;
        })),
        // `COMMIT`, `ROLLBACK`, or any statement.
        Some(sql) => {
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut *tx).await?;
        }
    }
    Ok(())
}

impl Bank {
    /// One on the server that tests share.
    pub(crate) async fn open() -> Self {
        Self::on(PostgresServer::shared()).await
    }

    /// One on this server.
    pub(crate) async fn on(server: Arc<PostgresServer>) -> Self {
        let url = server.database();
        server.query_in(&url, "CREATE TABLE ledger (event text NOT NULL, attempt bigint NOT NULL)");
        let pool = pool(&url).await;
        Self { server, url, pool, deeds: Deeds::new() }
    }

    /// A receiver with settings of its own, which knows of others only what is in the database.
    pub(crate) async fn receiver(&self, settings: &str) -> Webhooks {
        self.receiver_by(self.pool.clone(), settings).await
    }

    /// Settings of an inbox: in the folder, or in the same database.
    pub(crate) fn inbox(&self, engine: &str, folder: &InboxFolder) -> String {
        let place = match engine {
            "postgres" => format!("url = \"{}\"", self.url),
            _ => format!("path = \"{}\"", folder.file().display()),
        };
        format!("inbox = {{ provider = \"{engine}\", {place}, backoff = \"1ms\" }}")
    }

    /// The same, with another way to the database.
    pub(crate) async fn receiver_by(&self, pool: PgPool, settings: &str) -> Webhooks {
        built(self.builder(settings).state(pool)).await
    }

    /// All of a receiver but its pool.
    pub(crate) fn builder(&self, settings: &str) -> Builder {
        let builder = Webhooks::builder().settings(settings.parse().expect("good settings"));
        builder
            .source("stripe", |source| source.secret(sample::secret("stripe")))
            .listeners(listeners![credit])
            .state(self.deeds.clone())
    }

    /// The events in the ledger, each with the attempt that put it there, in the order of the alphabet.
    pub(crate) fn ledger(&self) -> Vec<String> {
        let lines = self.server.query_in(&self.url, "SELECT event || ' ' || attempt FROM ledger ORDER BY 1");
        lines.lines().map(str::to_owned).collect()
    }

    /// How many rows say that something has been done.
    pub(crate) fn marks(&self) -> String {
        self.server.query_in(&self.url, "SELECT count(*) FROM webhook_effects")
    }

    /// Waits until the server has this many sessions in this database that match.
    pub(crate) async fn until_sessions(&self, count: i64, that: &str) {
        let sql = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
             AND pid <> pg_backend_pid() AND {that}"
        );
        until(async || self.count(&sql).await == count).await;
    }

    /// One number, asked for without blocking the thread that what is under test may run on.
    pub(crate) async fn count(&self, sql: &str) -> i64 {
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.expect("a number")
    }
}

impl Deeds {
    pub(crate) fn new() -> Self {
        Self { begun: Arc::default(), gate: Gate::closed() }
    }

    /// How often the listener has begun with this event.
    pub(crate) fn begun(&self, event: &str) -> usize {
        self.begun.lock().expect("nobody panics in here").get(event).copied().unwrap_or_default()
    }

    /// Which time it is, from 0.
    fn begin(&self, event: &str) -> usize {
        let mut begun = self.begun.lock().expect("nobody panics in here");
        let times = begun.entry(event.to_owned()).or_default();
        *times += 1;
        *times - 1
    }
}

/// Enough connections for whatever runs side by side.
pub(crate) async fn pool(url: &str) -> PgPool {
    let options = PgPoolOptions::new().max_connections(32).acquire_timeout(Duration::from_secs(20));
    options.connect(url).await.expect("a connection")
}

/// What is built, or the report of why not.
pub(crate) async fn built(builder: Builder) -> Webhooks {
    builder.build().await.unwrap_or_else(|error| panic!("{error}"))
}

/// An event of this id with these orders, truly signed.
pub(crate) fn event(id: &str, then: &[&str]) -> Post {
    event_of(id, &serde_json::json!({ "then": then }).to_string())
}

/// An event of this id about this object.
pub(crate) fn event_of(id: &str, object: &str) -> Post {
    let body = format!(r#"{{"id":"{id}","type":"paid","data":{{"object":{object}}}}}"#);
    let headers = sign::stripe(sample::secret("stripe"), sign::now_unix(), body.as_bytes());
    Post::to("stripe").headers(headers).body(body)
}

/// One delivery, as it is answered.
pub(crate) async fn deliver(webhooks: &Webhooks, post: &Post) -> u16 {
    let reply: Reply = webhooks.process(post.clone().into_request()).await;
    reply.status.as_u16()
}
