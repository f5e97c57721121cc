//! Claims in Redis or Valkey, shared by any number of processes.
//!
//! One key an event, hence one cluster slot; every step is one command or one script. No client's clock is asked: a key
//! is always given its whole retention to live, so how long ago it was last touched is what its time to live lacks,
//! and a lease has run out when that is more than the lease.

use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, FromRedisValue, RedisResult};

use super::{Claim, ClaimTerms, EventKey, ListenerFate, Settlement, StoreError, Token, WebhookEventStore};
use connections::{Connection, Connections};
use failure::{Failure, is_not_understood, is_out_of_memory};
use record::{Reply, settled_letter, to_lines};
use scripts::{Script, Scripts};
use undo::Undo;

mod address;
mod checks;
mod connections;
mod failure;
mod record;
mod scripts;
mod undo;

/// Claims in Redis (6.2 or newer) or Valkey.
///
/// A claim is one round trip where the event is new or was handled, and so is settling. Where it is held, failed before
/// or was abandoned, a script has to look closer, which is a second one; before Redis 7 the script does it all.
///
/// The connection mends itself: whatever goes wrong with it, a later call makes a new one. While the server cannot be
/// reached, every call fails at once or within [`ANSWER_WITHIN`](Self::ANSWER_WITHIN).
pub struct RedisWebhookEventStore {
    scripts: Scripts,
    connections: Arc<Connections>,
    undo: Undo,
}

impl RedisWebhookEventStore {
    /// How long a call may take, with all that belongs to it: connecting, and asking again when the connection was
    /// found closed.
    pub const ANSWER_WITHIN: Duration = Duration::from_secs(2);
    /// How long connecting may take of that.
    pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

    /// Connects to `redis://[user:password@]host[:port][/database]`, or `rediss://` for TLS.
    ///
    /// TLS takes the cryptography that the process has chosen for rustls, or chooses ring: whoever wants another calls
    /// `install_default()` before.
    ///
    /// # Errors
    /// When the URL is none, or the server cannot be reached.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        let client = address::client(url).map_err(StoreError::unavailable)?;
        let connections = Arc::new(Connections::new(client));
        connections.ask(Self::ANSWER_WITHIN, |_| async { Ok(()) }).await?;
        Ok(Self { scripts: Scripts::new(), connections, undo: Undo::new(Scripts::undo()) })
    }

    async fn call<T: FromRedisValue>(
        &self,
        script: &Script,
        key: &EventKey,
        add: impl Fn(&mut Cmd) + Send + Sync,
    ) -> Result<T, StoreError> {
        let (key, add) = (&*key.to_text(), &add);
        let ask =
            |mut connection: Connection| async move { script.call(&mut connection.commands, key, add).await };
        Ok(self.connections.ask(Self::ANSWER_WITHIN, ask).await?)
    }

    async fn try_claim(
        &self,
        mut connection: Connection,
        key: &str,
        token: Token,
        terms: &ClaimTerms,
    ) -> RedisResult<Claim> {
        if connection.sets_and_gets() {
            match set_unless_there(&mut connection, key, token, terms).await {
                Ok(None) => return Ok(record::fresh(token)),
                Ok(Some(there)) if record::is_completed(&there) => return Ok(Claim::Completed),
                Ok(Some(_)) => {}
                Err(error) if is_not_understood(&error) => connection.does_not_set_and_get(),
                // A full server refuses the command whatever it would do. It still knows what was handled.
                Err(error) if is_out_of_memory(&error) => {}
                Err(error) => return Err(error),
            }
        }
        let arguments = |command: &mut Cmd| {
            command.arg(token.to_string()).arg(millis(terms.lease)).arg(record::kept(terms));
            command.arg(terms.max_unsettled);
        };
        let reply: Reply = self.scripts.claim.call(&mut connection.commands, key, arguments).await?;
        Ok(record::claim(reply, token))
    }
}

impl WebhookEventStore for RedisWebhookEventStore {
    async fn claim(&self, key: &EventKey, terms: &ClaimTerms) -> Result<Claim, StoreError> {
        let (key, token) = (&*key.to_text(), Token::random());
        // Asked again under the same token, a claim that was granted unheard is granted once more.
        let ask = |connection| self.try_claim(connection, key, token, terms);
        self.connections.ask(Self::ANSWER_WITHIN, ask).await.map_err(|failure: Failure| {
            if failure.may_be_done {
                self.undo.begin(&self.connections, key.to_owned(), token);
            }
            failure.into()
        })
    }

    async fn renew(&self, key: &EventKey, token: Token, lease: Duration) -> Result<bool, StoreError> {
        let arguments = |command: &mut Cmd| {
            command.arg(token.to_string()).arg(millis(lease));
        };
        self.call(&self.scripts.renew, key, arguments).await
    }

    async fn record(&self, key: &EventKey, token: Token, fate: &ListenerFate) -> Result<bool, StoreError> {
        let line = to_lines(std::slice::from_ref(fate));
        let arguments = |command: &mut Cmd| {
            command.arg(token.to_string()).arg(&*line);
        };
        self.call(&self.scripts.record, key, arguments).await
    }

    async fn settle(
        &self,
        key: &EventKey,
        token: Token,
        settlement: &Settlement,
    ) -> Result<bool, StoreError> {
        let lines = to_lines(&settlement.settled);
        let arguments = |command: &mut Cmd| {
            command.arg(token.to_string()).arg(settled_letter(settlement.state));
            command.arg(millis(settlement.retention)).arg(&*lines);
        };
        self.call(&self.scripts.settle, key, arguments).await
    }

    async fn forget(&self, key: &EventKey) -> Result<bool, StoreError> {
        self.call(&self.scripts.forget, key, |_| {}).await
    }

    async fn check(&self) -> Result<Vec<String>, StoreError> {
        let look = |mut connection: Connection| async move { checks::look(&mut connection.commands).await };
        let findings = self.connections.ask(Self::ANSWER_WITHIN, look).await?;
        findings.unsuitable.map_or(Ok(findings.warnings), Err)
    }
}

impl std::fmt::Debug for RedisWebhookEventStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisWebhookEventStore").finish_non_exhaustive()
    }
}

/// Makes the record of a claim, unless there is one, which is returned.
async fn set_unless_there(
    connection: &mut Connection,
    key: &str,
    token: Token,
    terms: &ClaimTerms,
) -> RedisResult<Option<Vec<u8>>> {
    let mut set = Cmd::with_capacity(7, key.len() + 120);
    set.arg("SET")
        .arg(key)
        .arg(record::first_claim(token, terms))
        .arg("NX")
        .arg("PX")
        .arg(record::kept(terms))
        .arg("GET");
    set.query_async(&mut connection.commands).await
}

fn millis(duration: Duration) -> u64 {
    // Redis refuses times to live that overflow its own clock.
    const LONGEST: u64 = 100 * 365 * 86_400 * 1_000;
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).clamp(1, LONGEST)
}
