//! Claims in Redis or Valkey, shared by any number of processes.
//!
//! One key an event, hence one cluster slot; every step is one command or one script. Nobody's clock is asked: a key
//! is always given its whole retention to live, so how long ago it was last touched is what its time to live lacks,
//! and a lease has run out when that is more than the lease.

use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, IntoConnectionInfo, RedisError, RedisResult};
use tokio::sync::OnceCell;

use super::{Claim, ClaimTerms, EventKey, ListenerFate, Settlement, StoreError, Token, WebhookEventStore};
use record::{Reply, settled_letter, to_lines};
use scripts::Scripts;

mod checks;
mod record;
mod scripts;

/// Claims in Redis (6.2 or newer) or Valkey.
///
/// A fresh claim is one command, any other one script; settling is one script. The connection mends itself: while the
/// server cannot be reached, every call fails at once or within [`RESPONSE_TIMEOUT`](Self::RESPONSE_TIMEOUT), and the
/// next one tries again.
pub struct RedisWebhookEventStore {
    client: Client,
    scripts: Scripts,
    connection: ConnectionManager,
    /// Renewals run on a runtime of their own, and so must their connection: one whose driver runs beside the
    /// listeners would be starved by a listener that blocks its thread.
    renewals: OnceCell<ConnectionManager>,
}

impl RedisWebhookEventStore {
    /// How long an answer may take.
    pub const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);
    /// How long connecting may take.
    pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

    /// Connects to `redis://[user:password@]host[:port][/database]`, or `rediss://` for TLS.
    ///
    /// # Errors
    /// When the URL is none, or the server cannot be reached.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        let client = Client::open(url.into_connection_info().map_err(unavailable)?).map_err(unavailable)?;
        let connection = connect(&client).await.map_err(unavailable)?;
        Ok(Self { client, scripts: Scripts::new(), connection, renewals: OnceCell::new() })
    }

    async fn first_claim(&self, key: &str, token: Token, terms: &ClaimTerms) -> RedisResult<bool> {
        let fresh = record::first_claim(token, terms);
        let mut set = redis::cmd("SET");
        set.arg(key).arg(fresh).arg("NX").arg("PX").arg(record::kept(terms));
        set.query_async(&mut self.connection.clone()).await
    }

    async fn claim_again(&self, key: &str, token: Token, terms: &ClaimTerms) -> RedisResult<Reply> {
        let mut claim = self.scripts.claim.key(key);
        claim
            .arg(token.to_string())
            .arg(millis(terms.lease))
            .arg(record::kept(terms))
            .arg(terms.max_unsettled);
        claim.invoke_async(&mut self.connection.clone()).await
    }

    async fn try_claim(&self, key: &str, token: Token, terms: &ClaimTerms) -> RedisResult<Claim> {
        if self.first_claim(key, token, terms).await? {
            return Ok(record::fresh(token));
        }
        Ok(record::claim(self.claim_again(key, token, terms).await?, token))
    }
}

impl WebhookEventStore for RedisWebhookEventStore {
    async fn claim(&self, key: &EventKey, terms: &ClaimTerms) -> Result<Claim, StoreError> {
        let (key, token) = (key.to_string(), Token::random());
        match self.try_claim(&key, token, terms).await {
            // An idle connection may have been closed under our feet. Asked again under the same token, a claim that
            // was granted unheard is granted once more.
            Err(error) if error.is_connection_dropped() => self.try_claim(&key, token, terms).await,
            answer => answer,
        }
        .map_err(unavailable)
    }

    async fn renew(&self, key: &EventKey, token: Token, lease: Duration) -> Result<bool, StoreError> {
        let connection =
            self.renewals.get_or_try_init(|| connect(&self.client)).await.map_err(unavailable)?;
        let mut renew = self.scripts.renew.key(key.to_string());
        renew.arg(token.to_string()).arg(millis(lease));
        renew.invoke_async(&mut connection.clone()).await.map_err(unavailable)
    }

    async fn record(&self, key: &EventKey, token: Token, fate: &ListenerFate) -> Result<bool, StoreError> {
        let mut record = self.scripts.record.key(key.to_string());
        record.arg(token.to_string()).arg(to_lines(std::slice::from_ref(fate)));
        record.invoke_async(&mut self.connection.clone()).await.map_err(unavailable)
    }

    async fn settle(
        &self,
        key: &EventKey,
        token: Token,
        settlement: &Settlement,
    ) -> Result<bool, StoreError> {
        let mut settle = self.scripts.settle.key(key.to_string());
        settle.arg(token.to_string()).arg(settled_letter(settlement.state));
        settle.arg(millis(settlement.retention)).arg(to_lines(&settlement.settled));
        settle.invoke_async(&mut self.connection.clone()).await.map_err(unavailable)
    }

    async fn forget(&self, key: &EventKey) -> Result<bool, StoreError> {
        let forget = self.scripts.forget.key(key.to_string());
        forget.invoke_async(&mut self.connection.clone()).await.map_err(unavailable)
    }

    async fn check(&self) -> Result<Vec<String>, StoreError> {
        checks::warnings(&mut self.connection.clone()).await.map_err(unavailable)
    }
}

impl std::fmt::Debug for RedisWebhookEventStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisWebhookEventStore").finish_non_exhaustive()
    }
}

async fn connect(client: &Client) -> RedisResult<ConnectionManager> {
    // A delivery waits for the answer: better a quick 503 than a long wait for a server that is down.
    let config = ConnectionManagerConfig::new()
        .set_number_of_retries(1)
        .set_min_delay(Duration::from_millis(50))
        .set_connection_timeout(Some(RedisWebhookEventStore::CONNECT_TIMEOUT))
        .set_response_timeout(Some(RedisWebhookEventStore::RESPONSE_TIMEOUT))
        .set_pipeline_buffer_size(1_024);
    ConnectionManager::new_with_config(client.clone(), config).await
}

fn unavailable(error: RedisError) -> StoreError {
    StoreError::unavailable(error)
}

fn millis(duration: Duration) -> u64 {
    // Redis refuses times to live that overflow its own clock.
    const LONGEST: u64 = 100 * 365 * 86_400 * 1_000;
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).clamp(1, LONGEST)
}
