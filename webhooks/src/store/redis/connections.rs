//! The connections to the server, and how they mend.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ErrorKind, RedisError, RedisResult};
use tokio::runtime::{Handle, Id};
use tokio::time::{Instant, timeout_at};

use super::RedisWebhookEventStore;
use super::failure::{Failure, shows_wrong_server, timed_out};

/// One connection for each runtime that asks.
///
/// A connection is driven by the runtime that made it. Renewals come from runtimes of their own: on a connection that
/// is driven beside the listeners, one that blocks its thread would starve them; on that of another keeper, they would
/// end with it.
pub(super) struct Connections {
    client: Client,
    made: Mutex<Vec<(Id, Connecting)>>,
}

/// A connection that is there, or will be. Whoever comes meanwhile waits for the same one.
type Connecting = Shared<BoxFuture<'static, RedisResult<Connection>>>;

/// A connection that any number of questions share.
#[derive(Clone)]
pub(super) struct Connection {
    pub(super) commands: MultiplexedConnection,
    sets_and_gets: Arc<AtomicBool>,
}

impl Connections {
    pub(super) fn new(client: Client) -> Self {
        Self { client, made: Mutex::default() }
    }

    /// Asks within `within`, connecting included. The question must bear being asked twice.
    pub(super) async fn ask<T, A>(
        &self,
        within: Duration,
        question: impl Fn(Connection) -> A,
    ) -> Result<T, Failure>
    where
        A: Future<Output = RedisResult<T>>,
    {
        let deadline = Instant::now() + within;
        match self.ask_once(deadline, &question).await {
            // An idle connection may have been closed under our feet.
            Err(failure) if failure.may_be_done && failure.error.is_connection_dropped() => {
                let again = self.ask_once(deadline, &question).await;
                again.map_err(|failure| Failure { may_be_done: true, ..failure })
            }
            answer => answer,
        }
    }

    async fn ask_once<T, A>(
        &self,
        deadline: Instant,
        question: &impl Fn(Connection) -> A,
    ) -> Result<T, Failure>
    where
        A: Future<Output = RedisResult<T>>,
    {
        let connecting = self.connecting().map_err(Failure::before_asking)?;
        let connection = match timeout_at(deadline, connecting.clone()).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => {
                self.give_up(&connecting);
                return Err(Failure::before_asking(error));
            }
            Err(_) => return Err(Failure::before_asking(timed_out())),
        };
        let doubt = Doubt { connections: self, connecting: Some(connecting) };
        let error = match timeout_at(deadline, question(connection)).await {
            Ok(Ok(answer)) => {
                doubt.dispel();
                return Ok(answer);
            }
            Ok(Err(error)) => error,
            Err(_) => timed_out(),
        };
        let failure = Failure::after_asking(error);
        if !failure.may_be_done && !shows_wrong_server(&failure.error) {
            doubt.dispel();
        }
        Err(failure)
    }

    fn connecting(&self) -> RedisResult<Connecting> {
        let runtime = Handle::try_current()
            .map_err(|_| RedisError::from((ErrorKind::Client, "there is no tokio runtime to connect on")))?
            .id();
        let mut made = self.made();
        if let Some((_, connecting)) = made.iter().find(|(id, _)| *id == runtime) {
            return Ok(connecting.clone());
        }
        let connecting = connect(self.client.clone()).boxed().shared();
        made.push((runtime, connecting.clone()));
        Ok(connecting)
    }

    /// The next question makes a new one. An error is forgotten like a connection: the next attempt may go better.
    fn give_up(&self, connecting: &Connecting) {
        self.made().retain(|(_, it)| !it.ptr_eq(connecting));
    }

    fn made(&self) -> MutexGuard<'_, Vec<(Id, Connecting)>> {
        self.made.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Connection {
    /// Whether the server has `SET … NX GET`, as far as is known.
    pub(super) fn sets_and_gets(&self) -> bool {
        self.sets_and_gets.load(Ordering::Relaxed)
    }

    /// It has not.
    pub(super) fn does_not_set_and_get(&self) {
        self.sets_and_gets.store(false, Ordering::Relaxed);
    }
}

/// A question that is not answered yet. Dropped before it is dispelled, the connection is given up: on one that a network
/// has forgotten nothing is ever closed, and whoever stops waiting for an answer, for whatever reason, may be the only
/// one to notice.
struct Doubt<'a> {
    connections: &'a Connections,
    connecting: Option<Connecting>,
}

impl Doubt<'_> {
    fn dispel(mut self) {
        self.connecting = None;
    }
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        if let Some(connecting) = &self.connecting {
            self.connections.give_up(connecting);
        }
    }
}

async fn connect(client: Client) -> RedisResult<Connection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(RedisWebhookEventStore::CONNECT_TIMEOUT))
        // `ask` has one for all that it does.
        .set_response_timeout(None)
        .set_pipeline_buffer_size(1_024);
    let commands = client.get_multiplexed_async_connection_with_config(&config).await?;
    Ok(Connection { commands, sets_and_gets: Arc::new(AtomicBool::new(true)) })
}
