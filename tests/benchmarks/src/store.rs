//! Claims through the stores.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use support::redis_server::RedisServer;
use webhooks::{
    Claim, ClaimTerms, EventKey, InMemoryWebhookEventStore, RedisWebhookEventStore, Settled, Settlement,
    SourceName, Token, WebhookEventStore,
};

use crate::rounds::paired;
use crate::{AnyError, memory};

const DAY: Duration = Duration::from_secs(86_400);
const LEASE: Duration = Duration::from_secs(30);

/// Every key of a run is new.
static NEXT: AtomicU64 = AtomicU64::new(0);

pub(crate) async fn run() -> Result<(), AnyError> {
    let server = RedisServer::start();
    let store = Arc::new(RedisWebhookEventStore::connect(&server.url()).await?);
    let config = ConnectionManagerConfig::new().set_pipeline_buffer_size(1_024);
    let bare = ConnectionManager::new_with_config(redis::Client::open(server.url())?, config).await?;
    println!("| claims in Redis | in flight | ours, per s | bare `SET NX PX`, per s | ratio |");
    println!("|---|---|---|---|---|");
    for in_flight in [1, 64, 1_024] {
        let total = if in_flight == 1 { 20_000 } else { 200_000 };
        let pair = paired(
            || {
                many(in_flight, total, Arc::clone(&store), |store, key| async move {
                    claim(&*store, &key).await.map(drop)
                })
            },
            || many(in_flight, total, bare.clone(), bare_claim),
        )
        .await?;
        println!("| fresh claim | {in_flight} | {:.0} | {:.0} | {:.2} |", pair.ours, pair.theirs, pair.ratio);
    }
    for in_flight in [1, 64, 1_024] {
        let total = if in_flight == 1 { 10_000 } else { 100_000 };
        let pair = paired(
            || {
                many(in_flight, total, Arc::clone(&store), |store, key| async move {
                    claim_and_complete(&*store, &key).await
                })
            },
            || many(in_flight, total, bare.clone(), bare_claim_and_settle),
        )
        .await?;
        println!(
            "| claim and settle, against two `SET`s | {in_flight} | {:.0} | {:.0} | {:.2} |",
            pair.ours, pair.theirs, pair.ratio
        );
    }
    println!();
    println!("| bytes a completed key | |\n|---|---|");
    println!("| Redis, 1 million keys | {:.0} |", bytes_in_redis(&server, store).await?);
    in_memory().await
}

async fn bytes_in_redis(server: &RedisServer, store: Arc<RedisWebhookEventStore>) -> Result<f64, AnyError> {
    const KEYS: u64 = 1_000_000;
    server.command(&["FLUSHALL"]);
    let before = used_memory(server)?;
    many(256, KEYS, store, |store, key| async move { claim_and_complete(&*store, &key).await }).await?;
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
    println!("| in memory, 10 million keys | {:.0} |", (memory::resident()? - before) / KEYS as f64);
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

async fn claim(store: &impl WebhookEventStore, key: &EventKey) -> Result<Token, AnyError> {
    match store.claim(key, &ClaimTerms::new(LEASE, DAY)).await? {
        Claim::Granted(grant) => Ok(grant.token),
        other => Err(format!("not granted: {other:?}").into()),
    }
}

async fn claim_and_complete(store: &impl WebhookEventStore, key: &EventKey) -> Result<(), AnyError> {
    let token = claim(store, key).await?;
    settle(store, key, token, DAY).await
}

async fn settle(
    store: &impl WebhookEventStore,
    key: &EventKey,
    token: Token,
    retention: Duration,
) -> Result<(), AnyError> {
    let settlement = Settlement { state: Settled::Completed, settled: Vec::new(), retention };
    match store.settle(key, token, &settlement).await? {
        true => Ok(()),
        false => Err("not settled".into()),
    }
}

/// The floor: one command, with a value as long as ours.
async fn bare_claim(mut connection: ConnectionManager, key: EventKey) -> Result<(), AnyError> {
    let value = format!("1l{}|30000|86400000|1|1|", Token::random());
    let mut set = redis::cmd("SET");
    set.arg(key.to_string()).arg(value).arg("NX").arg("PX").arg(86_400_000);
    let fresh: bool = set.query_async(&mut connection).await?;
    if fresh { Ok(()) } else { Err("not fresh".into()) }
}

/// What a handler written by hand would do: no check that the claim is still its own.
async fn bare_claim_and_settle(mut connection: ConnectionManager, key: EventKey) -> Result<(), AnyError> {
    bare_claim(connection.clone(), key.clone()).await?;
    let mut set = redis::cmd("SET");
    set.arg(key.to_string()).arg("1c").arg("PX").arg(86_400_000);
    Ok(set.query_async(&mut connection).await?)
}

/// Does `total` steps on new keys, `in_flight` at a time.
async fn many<S, F, Fut>(in_flight: u64, total: u64, side: S, step: F) -> Result<u64, AnyError>
where
    S: Clone + Send + 'static,
    F: Fn(S, EventKey) -> Fut + Copy + Send + 'static,
    Fut: Future<Output = Result<(), AnyError>> + Send,
{
    let source = SourceName::new("stripe").ok_or("a name")?;
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..in_flight {
        let (side, source) = (side.clone(), source.clone());
        workers.spawn(async move {
            for _ in 0..total / in_flight {
                let number = NEXT.fetch_add(1, Ordering::Relaxed);
                step(side.clone(), EventKey::new(&source, &[&number.to_be_bytes()])).await?;
            }
            Ok::<_, AnyError>(())
        });
    }
    while let Some(worker) = workers.join_next().await {
        worker??;
    }
    Ok(total / in_flight * in_flight)
}
