//! Renews leases, on a connection of its own.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::Mutex;

use super::time::{self, now};
use crate::inbox::Fence;

/// The connection for renewals. Those come from a thread with a runtime of its own, so that a listener which blocks the
/// others' runtime does not lose its lease; a connection belongs to the runtime in which it was made.
pub(super) struct RenewalLine {
    address: PgConnectOptions,
    connection: Mutex<Option<PgConnection>>,
}

/// `due_at` moves with every renewal, so that who has reserved the run meanwhile sees that it is alive: see `suspect`.
const RENEW: &str = concat!(
    "UPDATE webhooks.runs SET due_at = greatest(due_at + 1, ",
    now!(),
    " + $4) WHERE id = $2 AND attempt = $3 AND state = 0 AND held"
);

impl RenewalLine {
    pub(super) fn new(address: PgConnectOptions) -> Self {
        Self { address, connection: Mutex::new(None) }
    }

    /// Moves a lease on. `false`: the run is no longer the caller's.
    pub(super) async fn renew(&self, fence: Fence, lease: Duration, turned: i64) -> sqlx::Result<bool> {
        let mut place = self.connection.lock().await;
        // Taken out, so that one that was dropped in the middle of something, or has failed, is not used again.
        let mut connection = match place.take() {
            Some(connection) => connection,
            None => self.address.connect().await?,
        };
        let renewed = sqlx::query(RENEW)
            .bind(turned)
            .bind(fence.run)
            .bind(i64::from(fence.attempt))
            .bind(time::span(lease))
            .execute(&mut connection)
            .await;
        match renewed {
            Ok(done) => {
                *place = Some(connection);
                Ok(done.rows_affected() > 0)
            }
            Err(error) => {
                connection.close_hard().await.ok();
                Err(error)
            }
        }
    }
}
