//! Wakes the workers of other processes. They look once a second anyway: this is for those who cannot wait so long.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::Notify;

/// What is listened to.
const CHANNEL: &str = "webhooks_inbox";

/// A notification takes a lock that all commits of the server need: there are no more than ten a second.
const PAUSE: Duration = Duration::from_millis(100);

/// Tells the others what was put down here, and is told of what was put down there. Never returns.
pub(super) async fn watch(pool: &PgPool, address: &PgConnectOptions, put_down: &Notify, wake: Arc<Notify>) {
    futures_util::future::join(speak(pool, put_down), listen(address, &wake)).await;
}

/// Tells the other processes that there is something to do. Should that fail, they find it by looking.
pub(super) async fn tell(pool: &PgPool) {
    let told = sqlx::query("SELECT pg_notify($1, '')").bind(CHANNEL).execute(pool).await;
    if let Err(error) = told {
        tracing::debug!(%error, "other processes could not be told of new runs");
    }
}

async fn speak(pool: &PgPool, put_down: &Notify) {
    loop {
        put_down.notified().await;
        tell(pool).await;
        tokio::time::sleep(PAUSE).await;
    }
}

/// On a connection of its own, which is kept for as long as it lasts: one of the pool's would be missing there.
async fn listen(address: &PgConnectOptions, wake: &Notify) {
    let line = PgPoolOptions::new().max_connections(1).max_lifetime(None).idle_timeout(None);
    let line = line.connect_lazy_with(address.clone());
    loop {
        if let Err(error) = listen_once(&line, wake).await {
            tracing::debug!(%error, "other processes are not heard just now");
        }
        tokio::time::sleep(PAUSE * 10).await;
    }
}

async fn listen_once(line: &PgPool, wake: &Notify) -> sqlx::Result<()> {
    let mut listener = PgListener::connect_with(line).await?;
    listener.listen(CHANNEL).await?;
    loop {
        // `None`: the connection was lost and will be made anew; something may have been missed.
        listener.try_recv().await?;
        wake.notify_one();
    }
}
