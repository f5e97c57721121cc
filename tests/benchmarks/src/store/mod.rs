//! Claims through the stores.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::aio::ConnectionManager;
use support::redis_server::{Options, RedisServer};
use webhooks::{
    Claim, ClaimTerms, EventKey, RedisWebhookEventStore, Settled, Settlement, SourceName, Token,
    WebhookEventStore,
};

use crate::AnyError;
use crate::rounds::paired;

pub(crate) mod bare;
mod size;

const DAY: Duration = Duration::from_secs(86_400);
const LEASE: Duration = Duration::from_secs(30);

/// Every key of a run is new.
static NEXT: AtomicU64 = AtomicU64::new(0);

type Store = Arc<RedisWebhookEventStore>;

pub(crate) async fn run() -> Result<(), AnyError> {
    println!("| claims in Redis | in flight | ours, per s | by hand, per s | ratio | of all rounds | goal |");
    println!("|---|---|---|---|---|---|---|");
    let server = RedisServer::start();
    let sides = Sides::of(&server).await?;
    let fresh = |store: Store, key| async move { claim(&*store, &key).await.map(drop) };
    sides.compare("new event; `SET NX PX`", 0.9, fresh, bare::claim).await?;
    let both = |store: Store, key| async move { claim_and_complete(&*store, &key).await };
    sides.compare("claim and settle; two `SET`s", None, both, bare::claim_and_settle).await?;
    let handled = EventKey::new(&source()?, &[b"handled"]);
    claim_and_complete(&*sides.ours, &handled).await?;
    let again = |store: Store, key| async move { ask_again(&*store, &key).await };
    sides.on(handled).compare("handled event; `SET NX PX`", None, again, bare::duplicate).await?;
    match Options::redis_6_2() {
        Some(old) => {
            let old = old.start();
            let sides = Sides::of(&old).await?;
            sides.compare("Redis 6.2: new event, by script; `SET NX PX`", 0.55, fresh, bare::claim).await?;
        }
        None => println!("| Redis 6.2: not here (`WEBHOOKS_TEST_REDIS_6_2_SERVER`) | | | | | | |"),
    }
    size::run(&server).await
}

/// The two who are compared.
#[derive(Clone)]
struct Sides {
    ours: Store,
    by_hand: ConnectionManager,
    /// The key that all ask for; without one, each asks for one of its own.
    key: Option<EventKey>,
}

impl Sides {
    async fn of(server: &RedisServer) -> Result<Self, AnyError> {
        let ours = Arc::new(RedisWebhookEventStore::connect(&server.url()).await?);
        Ok(Self { ours, by_hand: bare::connect(&server.url()).await?, key: None })
    }

    fn on(&self, key: EventKey) -> Self {
        Self { key: Some(key), ..self.clone() }
    }

    async fn compare<A, B>(
        &self,
        name: &str,
        goal: impl Into<Option<f64>>,
        ours: impl Fn(Store, EventKey) -> A + Copy + Send + 'static,
        by_hand: impl Fn(ConnectionManager, EventKey) -> B + Copy + Send + 'static,
    ) -> Result<(), AnyError>
    where
        A: Future<Output = Result<(), AnyError>> + Send,
        B: Future<Output = Result<(), AnyError>> + Send,
    {
        let goal = goal.into().map_or_else(String::new, |goal| format!("≥ {goal}"));
        for in_flight in [1, 64, 1_024] {
            let total = if in_flight == 1 { 10_000 } else { 100_000 };
            let pair = paired(
                || many(in_flight, total, Arc::clone(&self.ours), self.key.clone(), ours),
                || many(in_flight, total, self.by_hand.clone(), self.key.clone(), by_hand),
            )
            .await?;
            println!("| {name} | {in_flight} | {pair} | {goal} |");
        }
        Ok(())
    }
}

fn source() -> Result<SourceName, AnyError> {
    Ok(SourceName::new("stripe").ok_or("a name")?)
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

async fn ask_again(store: &impl WebhookEventStore, key: &EventKey) -> Result<(), AnyError> {
    match store.claim(key, &ClaimTerms::new(LEASE, DAY)).await? {
        Claim::Completed => Ok(()),
        other => Err(format!("not completed: {other:?}").into()),
    }
}

/// Does `total` steps, `in_flight` at a time, on this key or on new ones.
async fn many<S, F, Fut>(
    in_flight: u64,
    total: u64,
    side: S,
    key: Option<EventKey>,
    step: F,
) -> Result<u64, AnyError>
where
    S: Clone + Send + 'static,
    F: Fn(S, EventKey) -> Fut + Copy + Send + 'static,
    Fut: Future<Output = Result<(), AnyError>> + Send,
{
    let source = source()?;
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..in_flight {
        let (side, source, key) = (side.clone(), source.clone(), key.clone());
        workers.spawn(async move {
            for _ in 0..total / in_flight {
                let new = || EventKey::new(&source, &[&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes()]);
                step(side.clone(), key.clone().unwrap_or_else(new)).await?;
            }
            Ok::<_, AnyError>(())
        });
    }
    while let Some(worker) = workers.join_next().await {
        worker??;
    }
    Ok(total / in_flight * in_flight)
}
