use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sqlx::{Database, PgPool, Postgres};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{Bind, Completion, Extract, Run, Stop};
use crate::effect::transient::is_transient;
use crate::effect::work::{Mark, Work};
use crate::error::{Failure, Result};

/// A transaction in the user's own PostgreSQL: what the listener writes in it happens exactly once.
///
/// It is begun on the `sqlx::PgPool` that was given to `.state(…)`, and a row in the table `webhook_effects` says in it
/// that this listener has handled this event. If the row already exists, the listener does not run and counts as done. If
/// another attempt is just writing it, this one waits until the other has committed or rolled back. The framework commits
/// when the listener returns `Ok`, and rolls back after an error, a panic, a timeout and when the run is cancelled; so
/// there is nothing to call. It derefs to the connection, to be queried as usual.
///
/// ```
/// use sqlx::{PgPool, Postgres};
/// use webhooks::{Event, Tx, webhook_listener};
///
/// #[derive(serde::Deserialize)]
/// struct PaymentIntent {
///     customer: String,
///     amount: i64,
/// }
///
/// #[webhook_listener(source = "stripe", event = "payment_intent.succeeded")]
/// async fn on_paid(Event(payment): Event<PaymentIntent>, mut tx: Tx<Postgres>) -> webhooks::Result {
///     sqlx::query("UPDATE accounts SET cents = cents + $2 WHERE customer = $1")
///         .bind(&payment.customer)
///         .bind(payment.amount)
///         .execute(&mut *tx)
///         .await?;
///     Ok(())
/// }
///
/// # fn f(pool: PgPool) {
/// # let _ =
/// webhooks::autoconfigure().state(pool)
/// # ;
/// # }
/// ```
///
/// The [chapter on effects](crate::docs::effects) says what this promises and what it costs. A listener takes one `Tx` at
/// most. A savepoint is `tx.begin()`, of `sqlx::Connection`; the transaction itself must be neither committed nor rolled
/// back by a statement of the listener's.
pub struct Tx<DB: Database>(OwnedMutexGuard<Work<DB>>);

/// The listener's `Tx` is gone by the time the work is committed, and with it the guard.
struct Commit(Arc<Mutex<Work<Postgres>>>);

impl Extract for Tx<Postgres> {
    type Bound = Arc<PgPool>;

    fn bind(bind: &mut Bind<'_>) -> Option<Arc<PgPool>> {
        bind.note_transaction("Tx<Postgres>");
        let pool = bind.state();
        if pool.is_none() {
            // One of another version of sqlx is another type.
            let help = "webhooks::autoconfigure().state(pool), with a `PgPool` of sqlx 0.9";
            bind.missing("Tx<Postgres>", "PgPool", help);
        }
        pool
    }

    async fn extract(pool: &Arc<PgPool>, run: &mut Run<'_>) -> Result<Self, Stop> {
        let event = run.event();
        let mark = Mark { event: event.key(), event_id: event.id(), listener: run.listener() };
        let Some(work) = Work::begin(pool, mark, run.timeout()).await.map_err(|error| stop(error.into()))?
        else {
            tracing::debug!(
                source = event.source(),
                event_id = event.id(),
                listener = run.listener(),
                delivery = %event.delivery_id(),
                "its effects were committed before, so that it does not run"
            );
            return Err(Stop::Done);
        };
        let work = Arc::new(Mutex::new(work));
        let tx = Self(Arc::clone(&work).lock_owned().await);
        run.complete_with(Commit(work));
        Ok(tx)
    }
}

impl Completion for Commit {
    fn complete(self: Box<Self>, result: Result) -> BoxFuture<'static, Result<(), Stop>> {
        async move {
            let Some(work) = Arc::into_inner(self.0).map(Mutex::into_inner) else {
                let kept =
                    "the listener returned, but its `Tx` is still held elsewhere: nothing was committed";
                return Err(Stop::Failed(kept.into()));
            };
            match result {
                Ok(()) => work.commit().await.map_err(|error| stop(error.into())),
                Err(failure) => {
                    work.roll_back().await;
                    Err(stop(failure))
                }
            }
        }
        .boxed()
    }
}

fn stop(failure: Failure) -> Stop {
    if is_transient(failure.error()) { Stop::Transient(failure) } else { Stop::Failed(failure) }
}

impl<DB: Database> Deref for Tx<DB> {
    type Target = DB::Connection;

    fn deref(&self) -> &DB::Connection {
        &self.0
    }
}

impl<DB: Database> DerefMut for Tx<DB> {
    fn deref_mut(&mut self) -> &mut DB::Connection {
        &mut self.0
    }
}

impl<DB: Database> fmt::Debug for Tx<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tx").finish_non_exhaustive()
    }
}
