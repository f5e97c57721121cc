//! The inbox in PostgreSQL: any number of processes on any number of machines share it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use sqlx::postgres::PgConnectOptions;
use sqlx::{PgConnection, PgPool};
use tokio::sync::Notify;

use super::record::{EventRecord, EventSummary, Replayed, Selection};
use super::{Access, Claimed, End, Fence, Inbox, InboxError, ListenerCount, Parcel, Put, Wanted};
use crate::clock::Clock;
use crate::secret::Secret;
use crate::store::EventKey;
use ask::unavailable;
use backlog::Backlog;
use change::Rest;
use claim::{Claim, Terms};
use group_commit::GroupCommit;
use lapsed::Lapsed;
use open::OpenError;
use ordered::Line;
use put::Stored;
use renew::RenewalLine;
use suspect::Reserved;

mod ask;
mod backlog;
mod change;
mod claim;
mod deliveries;
mod group_commit;
mod lapsed;
mod load;
mod open;
mod ordered;
mod pending;
mod put;
mod query;
mod renew;
mod rights;
mod rows;
mod schema;
mod settle;
mod suspect;
mod sweep;
mod taken;
mod text;
mod time;
mod tokens;
mod watch;

#[cfg(test)]
mod tests;

/// The inbox in PostgreSQL.
///
/// Nearly every step is one statement, and so one round trip; deliveries that come in together share one. The time is the
/// server's.
pub(crate) struct PostgresInbox {
    pool: PgPool,
    address: PgConnectOptions,
    puts: GroupCommit,
    renewals: RenewalLine,
    backlog: Backlog,
    lapsed: Lapsed,
    reserved: Arc<Reserved>,
    /// The sweep has come to this line, see [`ordered`].
    moved_up_to: Mutex<Line>,
    /// They take turns, so that neither those that failed before nor the others starve.
    retried_first: AtomicBool,
    /// Something was put down that other processes may want to hear of.
    put_down: Notify,
    clock: Clock,
    options: Options,
}

/// See the settings of the same names.
#[derive(Debug, Clone)]
pub(crate) struct PostgresOptions {
    pub(crate) url: Secret,
    pub(crate) max_connections: u32,
    pub(crate) keep_done: Duration,
    pub(crate) keep_body: Duration,
    pub(crate) keep_dead: Duration,
    pub(crate) max_pending: u64,
    pub(crate) clock: Clock,
    pub(crate) access: Access,
}

/// How long what is settled is kept, in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Options {
    keep_done: i64,
    keep_body: i64,
    keep_dead: i64,
}

impl PostgresInbox {
    /// Connects, makes the tables if they are not there, and looks whether they may be used and the server keeps what it
    /// commits. What is dubious comes back as warnings.
    pub(crate) async fn open(options: PostgresOptions) -> Result<(Self, Vec<String>), OpenError> {
        let opened = open::open(&options).await?;
        let inbox = Self {
            puts: GroupCommit::new(opened.pool.clone()),
            pool: opened.pool,
            renewals: RenewalLine::new(opened.address.clone()),
            address: opened.address,
            backlog: Backlog::new(options.max_pending),
            lapsed: Lapsed::default(),
            reserved: Arc::default(),
            moved_up_to: Mutex::default(),
            retried_first: AtomicBool::new(false),
            put_down: Notify::new(),
            clock: options.clock,
            options: Options {
                keep_done: time::span(options.keep_done),
                keep_body: time::span(options.keep_body),
                keep_dead: time::span(options.keep_dead),
            },
        };
        Ok((inbox, opened.warnings))
    }

    async fn put_with_tokens(&self, parcel: Parcel) -> Result<Stored, InboxError> {
        let (parcel, turned) = (Arc::new(parcel), self.turned());
        let put = self.ask(move |connection| {
            let parcel = Arc::clone(&parcel);
            Box::pin(async move { put::put_with_tokens(connection, &parcel, turned).await })
        });
        put.await?
    }

    /// What is known already is answered even when no more can be stored.
    async fn known(&self, parcel: Parcel, refusal: InboxError) -> Result<Vec<Put>, InboxError> {
        let (events, parcel) = (parcel.events.len(), Arc::new(parcel));
        let is_duplicate = self.ask(move |connection| {
            let parcel = Arc::clone(&parcel);
            Box::pin(async move { put::is_duplicate(connection, &parcel).await })
        });
        if is_duplicate.await? { Ok(vec![Put::Duplicate; events]) } else { Err(refusal) }
    }

    /// Has the first of some lines looked at, those after the ones of the last time. `true`: there are more.
    async fn move_some_up(&self) -> Result<bool, InboxError> {
        let moved_up_to = || self.moved_up_to.lock().unwrap_or_else(PoisonError::into_inner);
        let after = Arc::new(moved_up_to().clone());
        let come_to = self.ask(move |connection| {
            let after = Arc::clone(&after);
            Box::pin(async move { ordered::move_some_up(connection, &after).await })
        });
        let come_to = come_to.await?;
        let more = come_to.is_some();
        *moved_up_to() = come_to.unwrap_or_default();
        Ok(more)
    }

    /// By how many milliseconds a test has turned the clock.
    fn turned(&self) -> i64 {
        time::millis(self.clock.wall()) - time::millis(SystemTime::now())
    }

    /// Does something on a connection of the pool.
    async fn ask<T: Send>(
        &self,
        work: impl for<'c> Fn(&'c mut PgConnection) -> BoxFuture<'c, sqlx::Result<T>> + Send + Sync,
    ) -> Result<T, InboxError> {
        Ok(ask::ask(&self.pool, work).await?)
    }
}

impl Inbox for PostgresInbox {
    fn put(&self, parcel: Parcel) -> BoxFuture<'_, Result<Vec<Put>, InboxError>> {
        Box::pin(async move {
            let more = parcel.events.iter().map(|it| it.runs.len()).sum();
            if let Err(full) = self.backlog.admit(&self.pool, more).await {
                return self.known(parcel, full).await;
            }
            let stored = if parcel.tokens.is_empty() {
                self.puts.put(parcel).await?
            } else {
                self.put_with_tokens(parcel).await?
            };
            self.backlog.note(stored.begun);
            self.put_down.notify_one();
            Ok(stored.entries)
        })
    }

    fn claim(&self, wanted: Wanted) -> BoxFuture<'_, Result<Claimed, InboxError>> {
        let (turned, options, lease) = (self.turned(), self.options, wanted.lease);
        Box::pin(async move {
            let now = self.clock.monotonic();
            if self.lapsed.is_due(lease, now) {
                let found = self.ask(move |connection| Box::pin(lapsed::find(connection, turned)));
                self.lapsed.note(found.await?, now);
            }
            let wanted = match wanted.listeners.len() {
                0..=Wanted::FEW => wanted,
                _ => wanted.only(&self.ask(|connection| Box::pin(pending::listeners(connection))).await?),
            };
            let retried_first = self.retried_first.fetch_not(Ordering::Relaxed);
            let ripe = self.lapsed.ripe(lease, now);
            let terms = Arc::new(Terms::of(&wanted, retried_first, ripe));
            let claimed = self.ask(move |connection| {
                let (terms, reserved) = (Arc::clone(&terms), Arc::clone(&self.reserved));
                Box::pin(async move {
                    let claim = Claim { terms: &terms, turned, options: &options, reserved: &reserved };
                    claim.carry_out(connection).await
                })
            });
            let mut claimed = claimed.await?;
            self.backlog.note(-i64::try_from(claimed.given_up.len()).unwrap_or_default());
            let next_lapsed = self.lapsed.next(lease, now);
            claimed.next_due = [claimed.next_due, next_lapsed].into_iter().flatten().min();
            Ok(claimed)
        })
    }

    fn renew(&self, fence: Fence, lease: Duration) -> BoxFuture<'_, Result<bool, InboxError>> {
        let turned = self.turned();
        Box::pin(async move {
            self.renewals.renew(fence, lease, turned).await.map_err(|error| unavailable(&error))
        })
    }

    fn settle(&self, fence: Fence, end: End) -> BoxFuture<'_, Result<bool, InboxError>> {
        let (end, turned, options) = (Arc::new(end), self.turned(), self.options);
        Box::pin(async move {
            let over = matches!(*end, End::Done | End::Dead { .. });
            let settled = self.ask(move |connection| {
                let end = Arc::clone(&end);
                Box::pin(async move { settle::settle(connection, fence, &end, turned, &options).await })
            });
            let ours = settled.await?;
            if ours && over {
                self.backlog.note(-1);
            }
            Ok(ours)
        })
    }

    fn watch(&self, wake: Arc<Notify>) -> BoxFuture<'_, ()> {
        Box::pin(watch::watch(&self.pool, &self.address, &self.put_down, wake))
    }

    fn counts(&self) -> BoxFuture<'_, Result<Vec<ListenerCount>, InboxError>> {
        Box::pin(self.ask(|connection| Box::pin(query::counts(connection))))
    }

    fn sweep(&self) -> BoxFuture<'_, Result<bool, InboxError>> {
        let turned = self.turned();
        Box::pin(async move {
            let more = self.ask(move |connection| Box::pin(sweep::sweep(connection, turned))).await?;
            Ok(more || self.move_some_up().await?)
        })
    }

    fn list(&self, selection: Selection) -> BoxFuture<'_, Result<Vec<EventSummary>, InboxError>> {
        let selection = Arc::new(selection);
        Box::pin(self.ask(move |connection| {
            let selection = Arc::clone(&selection);
            Box::pin(async move { query::list(connection, &selection).await })
        }))
    }

    fn show(&self, event: i64) -> BoxFuture<'_, Result<Option<EventRecord>, InboxError>> {
        Box::pin(self.ask(move |connection| Box::pin(query::show(connection, event))))
    }

    fn replay(&self, selection: Selection) -> BoxFuture<'_, Result<Replayed, InboxError>> {
        let (selection, turned, options) = (Arc::new(selection), self.turned(), self.options);
        Box::pin(async move {
            let (mut replayed, mut rest) = (Replayed::default(), Some(Rest::of(&selection)));
            while let Some(from) = rest {
                let part = self.ask(|connection| {
                    let selection = Arc::clone(&selection);
                    Box::pin(
                        async move { change::replay(connection, &selection, from, turned, &options).await },
                    )
                });
                let (more, left) = part.await?;
                replayed.runs += more.runs;
                replayed.without_body += more.without_body;
                rest = left;
            }
            watch::tell(&self.pool).await;
            Ok(replayed)
        })
    }

    fn discard(&self, selection: Selection) -> BoxFuture<'_, Result<u64, InboxError>> {
        let (selection, turned, options) = (Arc::new(selection), self.turned(), self.options);
        Box::pin(async move {
            let (mut forgotten, mut rest) = (0, Some(Rest::of(&selection)));
            while let Some(from) = rest {
                let part = self.ask(|connection| {
                    let selection = Arc::clone(&selection);
                    Box::pin(
                        async move { change::discard(connection, &selection, from, turned, &options).await },
                    )
                });
                let (more, left) = part.await?;
                forgotten += more;
                rest = left;
            }
            // What was behind something that was dropped may go on.
            watch::tell(&self.pool).await;
            Ok(forgotten)
        })
    }

    fn forget_event(&self, key: EventKey) -> BoxFuture<'_, Result<bool, InboxError>> {
        let key: Arc<str> = key.to_string().into();
        Box::pin(self.ask(move |connection| {
            let key = Arc::clone(&key);
            Box::pin(async move { change::forget_event(connection, &key).await })
        }))
    }
}
