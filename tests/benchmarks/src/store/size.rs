//! What a completed key takes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use support::redis_server::RedisServer;
use webhooks::{
    Claim, ClaimTerms, EventKey, InMemoryWebhookEventStore, RedisWebhookEventStore, SourceName,
    WebhookEventStore,
};

use super::{DAY, LEASE, claim_and_complete, many, settle};
use crate::{AnyError, memory};

pub(super) async fn run(server: &RedisServer) -> Result<(), AnyError> {
    let store = Arc::new(RedisWebhookEventStore::connect(&server.url()).await?);
    println!("\n| bytes a completed key | | goal |\n|---|---|---|");
    println!("| Redis, 1 million keys | {:.0} | |", bytes_in_redis(server, store).await?);
    in_memory().await
}

async fn bytes_in_redis(server: &RedisServer, store: Arc<RedisWebhookEventStore>) -> Result<f64, AnyError> {
    const KEYS: u64 = 1_000_000;
    server.command(&["FLUSHALL"]);
    let before = used_memory(server)?;
    many(256, KEYS, store, None, |store, key| async move { claim_and_complete(&*store, &key).await }).await?;
    Ok((used_memory(server)? - before) / KEYS as f64)
}

fn used_memory(server: &RedisServer) -> Result<f64, AnyError> {
    let info = server.command(&["INFO", "memory"]);
    let line = info.lines().find_map(|it| it.strip_prefix("used_memory:")).ok_or("no used_memory")?;
    Ok(line.trim().parse()?)
}

/// Ten million keys in memory: what each takes, and the longest that any single step took, first while the store
/// grows, then while as many keys expire as come.
async fn in_memory() -> Result<(), AnyError> {
    const KEYS: u64 = 10_000_000;
    let before = memory::resident()?;
    let growing = Fill::of(KEYS, DAY).await?;
    println!("| in memory, 10 million keys | {:.0} | ≤ 64 |", (memory::resident()? - before) / KEYS as f64);
    println!("\nin memory, growing: {growing}");
    drop(growing);
    let expiring = Fill::of(KEYS, Duration::from_secs(1)).await?;
    println!("in memory, expiring after a second: {expiring}");
    Ok(())
}

/// A store that was filled, and how long that took.
struct Fill {
    _store: InMemoryWebhookEventStore,
    each: Duration,
    longest: Duration,
}

impl Fill {
    async fn of(keys: u64, retention: Duration) -> Result<Self, AnyError> {
        let store = InMemoryWebhookEventStore::new().with_max_keys(usize::MAX);
        let source = SourceName::new("stripe").ok_or("a name")?;
        let (began, mut longest) = (Instant::now(), Duration::ZERO);
        for number in 0..keys {
            let key = EventKey::new(&source, &[&number.to_be_bytes()]);
            let step = Instant::now();
            complete(&store, &key, retention).await?;
            longest = longest.max(step.elapsed());
        }
        Ok(Self { _store: store, each: began.elapsed().div_f64(keys as f64), longest })
    }
}

impl std::fmt::Display for Fill {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} to claim and settle; the longest single step {:?}", self.each, self.longest)
    }
}

async fn complete(
    store: &InMemoryWebhookEventStore,
    key: &EventKey,
    retention: Duration,
) -> Result<(), AnyError> {
    let Claim::Granted(grant) = store.claim(key, &ClaimTerms::new(LEASE, retention)).await? else {
        return Err("not granted".into());
    };
    settle(store, key, grant.token, retention).await
}
