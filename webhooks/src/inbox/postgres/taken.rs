//! What a claim has taken, with what it runs on: no more than can be read in time, and nothing that cannot be read.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use sqlx::postgres::PgRow;
use sqlx::{Connection, FromRow, PgConnection, Row};

use super::load::{self, Found, is_unreadable};
use super::time::{self, now};
use crate::inbox::{Claimed, ClaimedRun, Fence, StoredEvent};

/// Bodies that one claim reads at most, give or take the last: they have to come while the server is waited for.
const MOST_BYTES: usize = 16 << 20;

/// How long a run is left alone whose event cannot be read.
const UNREADABLE: Duration = Duration::from_secs(3_600);

/// A run that was taken, in a transaction that has not ended.
pub(super) struct Taken {
    run: i64,
    event: i64,
    attempt: i32,
    spent: i32,
    is_replay: bool,
    listener: String,
    /// When it had been due.
    due_at: i64,
    /// Where it stood among those that were due.
    place: i64,
}

/// The columns of [`Taken`]: of a run `r` as it is now, and as `was` says that it was.
macro_rules! taken {
    ($due_at:literal, $place:literal) => {
        concat!("r.id, r.event, r.attempt, r.spent, r.replay, r.listener, ", $due_at, ", ", $place)
    };
}
pub(super) use taken;

impl FromRow<'_, PgRow> for Taken {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            run: row.try_get(0)?,
            event: row.try_get(1)?,
            attempt: row.try_get(2)?,
            spent: row.try_get(3)?,
            is_replay: row.try_get(4)?,
            listener: row.try_get(5)?,
            due_at: row.try_get(6)?,
            place: row.try_get(7)?,
        })
    }
}

/// How events are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// All at once. An error undoes the claim.
    Together,
    /// One after the other, after such an error: what cannot be read is set aside.
    OneByOne,
}

/// `$1`, `$2`: runs, which become what they were before they were taken, and when they had been due.
const PUT_BACK: &str = "UPDATE webhooks.runs r
    SET attempt = attempt - 1, spent = spent - 1, unsettled = unsettled - 1, held = false, due_at = again.due_at
    FROM unnest($1::bigint[], $2::bigint[]) AS again (run, due_at) WHERE r.id = again.run
    RETURNING webhooks.move_up(r.listener, r.order_key)";

/// The same of `$2`, which waits for as long as `$3` from now on.
const SET_ASIDE: &str = concat!(
    "UPDATE webhooks.runs r
    SET attempt = attempt - 1, spent = spent - 1, unsettled = unsettled - 1, held = false, due_at = ",
    now!(),
    " + $3
    WHERE r.id = $2
    RETURNING webhooks.move_up(r.listener, r.order_key)"
);

/// Adds the runs that were taken, with their events, to what was claimed, in order of arrival. What there is no room for
/// is put back, and what cannot be read is set aside; then there may be more to claim at once.
pub(super) async fn load(
    connection: &mut PgConnection,
    mut taken: Vec<Taken>,
    turned: i64,
    reading: Reading,
    claimed: &mut Claimed,
) -> sqlx::Result<()> {
    if taken.is_empty() {
        return Ok(());
    }
    taken.sort_unstable_by_key(|it| it.place);
    let count = taken.len();
    let mut runs = match reading {
        Reading::Together => together(connection, taken).await?,
        Reading::OneByOne => one_by_one(connection, taken, turned).await?,
    };
    if runs.len() < count {
        claimed.next_due = Some(Duration::ZERO);
    }
    runs.sort_unstable_by_key(|it| it.fence.run);
    claimed.runs = runs;
    Ok(())
}

async fn together(connection: &mut PgConnection, mut taken: Vec<Taken>) -> sqlx::Result<Vec<ClaimedRun>> {
    let numbers: Vec<i64> = taken.iter().map(|it| it.event).collect();
    let mut found = load::find(connection, &numbers).await?;
    let mut room = Room::default();
    let mut fitting = 0;
    for run in &taken {
        if room.is_full() {
            break;
        }
        room.give(found.get(&run.event).ok_or(sqlx::Error::RowNotFound)?);
        fitting += 1;
    }
    let rest = taken.split_off(fitting);
    put_back(connection, &rest).await?;
    let wanted: HashSet<i64> = taken.iter().map(|it| it.event).collect();
    found.retain(|number, _| wanted.contains(number));
    let events = load::read(connection, found).await?;
    taken.into_iter().map(|run| claimed(run, &events)).collect()
}

async fn one_by_one(
    connection: &mut PgConnection,
    taken: Vec<Taken>,
    turned: i64,
) -> sqlx::Result<Vec<ClaimedRun>> {
    let (mut runs, mut room) = (Vec::new(), Room::default());
    let mut taken = taken.into_iter();
    while !room.is_full()
        && let Some(run) = taken.next()
    {
        // What fails undoes no more than itself.
        let mut attempt = connection.begin().await?;
        let (number, id, listener) = (run.event, run.run, run.listener.clone());
        match alone(&mut attempt, run, &mut room).await {
            Ok(run) => {
                attempt.commit().await?;
                runs.push(run);
            }
            Err(error) if is_unreadable(&error) => {
                attempt.rollback().await?;
                tracing::error!(%error, number, listener, "an event in the inbox cannot be read; it is left for an hour");
                let later = time::span(UNREADABLE);
                sqlx::query(SET_ASIDE).bind(turned).bind(id).bind(later).execute(&mut *connection).await?;
            }
            Err(error) => return Err(error),
        }
    }
    put_back(connection, taken.as_slice()).await?;
    Ok(runs)
}

async fn alone(connection: &mut PgConnection, run: Taken, room: &mut Room) -> sqlx::Result<ClaimedRun> {
    let found = load::find(connection, &[run.event]).await?;
    let head = found.get(&run.event).ok_or(sqlx::Error::RowNotFound)?;
    room.give(head);
    claimed(run, &load::read(connection, found).await?)
}

async fn put_back(connection: &mut PgConnection, rest: &[Taken]) -> sqlx::Result<()> {
    if rest.is_empty() {
        return Ok(());
    }
    let (runs, due): (Vec<i64>, Vec<i64>) = rest.iter().map(|it| (it.run, it.due_at)).unzip();
    sqlx::query(PUT_BACK).bind(runs).bind(due).execute(connection).await?;
    Ok(())
}

fn claimed(run: Taken, events: &HashMap<i64, StoredEvent>) -> sqlx::Result<ClaimedRun> {
    let count = |it| u32::try_from(it).map_err(|error| sqlx::Error::Decode(Box::new(error)));
    Ok(ClaimedRun {
        fence: Fence { run: run.run, attempt: count(run.attempt)? },
        listener: run.listener,
        attempt: count(run.spent)?,
        is_replay: run.is_replay,
        event: events.get(&run.event).ok_or(sqlx::Error::RowNotFound)?.clone(),
    })
}

/// How much more may be read.
#[derive(Default)]
struct Room {
    bytes: usize,
    bodies: HashSet<i64>,
}

impl Room {
    fn is_full(&self) -> bool {
        self.bytes >= MOST_BYTES
    }

    /// A body counts once, however many of its events are read.
    fn give(&mut self, event: &Found) {
        self.bytes += event.payload_bytes;
        if self.bodies.insert(event.delivery) {
            self.bytes += event.body_bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Fleet, claim, put};
    use super::UNREADABLE;
    use crate::inbox::{End, Inbox as _};

    /// The server itself cannot read it, as where a disk has lost a block.
    #[tokio::test(flavor = "multi_thread")]
    async fn what_the_server_cannot_read_holds_up_nobody() {
        let fleet = Fleet::new();
        let inbox = fleet.process().await;
        for id in ["damaged", "2", "3"] {
            put(&inbox, id, &["a"], Some(1)).await;
        }
        put(&inbox, "4", &["a"], None).await;
        fleet.query(
            "ALTER TABLE webhooks.deliveries RENAME TO whole;
             CREATE FUNCTION damaged() RETURNS bytea STABLE LANGUAGE plpgsql AS
                 'BEGIN RAISE ''missing chunk'' USING ERRCODE = ''XX001''; END';
             CREATE VIEW webhooks.deliveries AS
                 SELECT id, source, delivery, received_at, signed, secret_index, signed_at, headers,
                        CASE WHEN id = 1 THEN damaged() ELSE body END AS body FROM webhooks.whole",
        );
        let runs = claim(&inbox, 5).await;
        assert_eq!(runs.iter().filter_map(|run| run.event.id.as_deref()).collect::<Vec<_>>(), ["4"]);
        let left = "SELECT attempt, spent, unsettled, held, blocked FROM webhooks.runs WHERE event = 1";
        assert_eq!(fleet.query(left), "0|0|0|f|f", "it is as it was, but for the time");
        fleet.query("DROP VIEW webhooks.deliveries; ALTER TABLE webhooks.whole RENAME TO deliveries");
        assert!(inbox.settle(runs[0].fence, End::Done).await.unwrap());
        fleet.clock.advance(UNREADABLE);
        let mended = claim(&inbox, 5).await;
        assert_eq!(mended.iter().filter_map(|run| run.event.id.as_deref()).collect::<Vec<_>>(), ["damaged"]);
    }
}
