//! Takes runs that are due.

use std::time::Duration;

use sqlx::{Connection, PgConnection};

use super::Options;
use super::lapsed::Ripe;
use super::load::is_unreadable;
use super::ordered::{self, in_order};
use super::suspect::Reserved;
use super::taken::{Reading, Taken, load, taken};
use super::time::{self, now};
use crate::inbox::{Claimed, Wanted};

/// What is wanted, as columns.
pub(super) struct Terms {
    pub(super) listeners: Vec<String>,
    /// How many runs of each.
    pub(super) rooms: Vec<i64>,
    /// Whether a dead run of it holds up those behind.
    pub(super) dead_blocks: Vec<bool>,
    /// After how many attempts a run of it is given up.
    pub(super) max_attempts: Vec<i32>,
    /// How many of each whose runs have an order, and none of the others.
    pub(super) ordered_rooms: Vec<i64>,
    pub(super) limit: i64,
    pub(super) lease: i64,
    pub(super) idle: bool,
    /// Whether those that failed before are taken before those that wait for nothing.
    pub(super) retried_first: bool,
    pub(super) ripe: Ripe,
}

impl Terms {
    pub(super) fn of(wanted: &Wanted, retried_first: bool, ripe: Ripe) -> Self {
        // More than there can be, and yet no number that PostgreSQL could not take.
        let count = |it: usize| i64::from(i32::try_from(it).unwrap_or(i32::MAX));
        let (open, closed): (Vec<_>, Vec<_>) = wanted.listeners.iter().partition(|it| it.limit > 0);
        let listeners = open.iter().chain(&closed);
        Self {
            listeners: listeners.clone().map(|it| super::text::storable(&it.id)).collect(),
            rooms: listeners.clone().map(|it| count(it.limit)).collect(),
            ordered_rooms: listeners.clone().map(|it| it.order.map_or(0, |_| count(it.limit))).collect(),
            dead_blocks: listeners.clone().map(|it| it.dead_blocks()).collect(),
            max_attempts: listeners.map(|it| i32::try_from(it.max_attempts).unwrap_or(i32::MAX)).collect(),
            limit: count(wanted.limit),
            lease: time::span(wanted.lease),
            idle: wanted.idle,
            retried_first,
            ripe,
        }
    }
}

/// `$2`, `$3`, `$4`: what is wanted, a row a listener.
macro_rules! wanted {
    () => {
        "unnest($2::text[], $3::bigint[], $4::boolean[]) AS wanted (listener, room, dead_blocks)"
    };
}
pub(super) use wanted;

/// A run `r` that was claimed and never settled, and may be claimed again: it ended, or is one of those that have lapsed.
macro_rules! suspects {
    ($runs:literal, $due:literal) => {
        concat!(
            "FROM ",
            wanted!(),
            " JOIN webhooks.runs r ON r.listener = wanted.listener
            WHERE r.state = 0 AND r.unsettled > 0 AND r.due_at <= ",
            now!(),
            " AND (NOT r.held OR (r.id, r.due_at) IN (SELECT run, due_at FROM unnest(",
            $runs,
            "::bigint[], ",
            $due,
            "::bigint[]) AS lapsed (run, due_at))) AND ",
            in_order!()
        )
    };
}
pub(super) use suspects;

/// Runs that wait for nothing are due at 0, whatever the time is: they are taken in order of arrival, and those that failed
/// before in the order in which they fall due. Either has half of what is taken, if there is enough of both; what `$7` says
/// comes first, and has the rest. All are found before the first is changed, which would not be found again and passed over.
///
/// While a suspect waits, nothing else is taken: it must be alone.
const TAKE: &str = concat!(
    "WITH due AS MATERIALIZED (
    SELECT due.id, due.due_at FROM ",
    wanted!(),
    " CROSS JOIN LATERAL (
        SELECT found.id, found.due_at
        FROM (VALUES (1, $7), (2, NOT $7), (3, $7)) AS turn (number, retried)
        CROSS JOIN LATERAL (SELECT (least(wanted.room, $5) + 1) / 2 AS runs) AS half
        CROSS JOIN LATERAL (
            SELECT r.id, r.due_at FROM webhooks.runs r
            WHERE r.listener = wanted.listener AND r.state = 0 AND r.unsettled = 0 AND NOT r.blocked
              AND r.due_at BETWEEN turn.retried::integer AND CASE WHEN turn.retried THEN ",
    now!(),
    " ELSE 0 END AND ",
    in_order!(),
    "
            ORDER BY r.due_at, r.id
            LIMIT CASE turn.number WHEN 1 THEN half.runs ELSE wanted.room END
            OFFSET CASE turn.number WHEN 3 THEN half.runs ELSE 0 END
            FOR UPDATE SKIP LOCKED
        ) AS found
        LIMIT wanted.room
    ) AS due
    WHERE NOT EXISTS (SELECT ",
    suspects!("$8", "$9"),
    ")
    LIMIT $5
), was AS (
    SELECT one.id, one.due_at, one.place FROM (SELECT array_agg(id) AS ids, array_agg(due_at) AS times FROM due) AS every,
        unnest(every.ids, every.times) WITH ORDINALITY AS one (id, due_at, place)
)
UPDATE webhooks.runs r
SET attempt = attempt + 1, spent = spent + 1, unsettled = unsettled + 1, held = true, due_at = ",
    now!(),
    " + $6
FROM was WHERE r.id = was.id
RETURNING ",
    taken!("was.due_at", "was.place")
);

const LOOK: &str = concat!(
    "SELECT EXISTS (SELECT ",
    suspects!("$5", "$6"),
    "), (
    SELECT min(next.due_at) - ",
    now!(),
    " FROM ",
    wanted!(),
    " CROSS JOIN LATERAL (
        SELECT r.due_at FROM webhooks.runs r
        WHERE r.listener = wanted.listener AND r.state = 0 AND NOT r.blocked AND r.due_at > ",
    now!(),
    "
        ORDER BY r.due_at LIMIT 1
    ) AS next)"
);

/// A claim: on what terms, and what this process has reserved.
pub(super) struct Claim<'c> {
    pub(super) terms: &'c Terms,
    pub(super) turned: i64,
    pub(super) options: &'c Options,
    pub(super) reserved: &'c Reserved,
}

impl Claim<'_> {
    /// Takes runs that are due: a suspect alone, or others up to the limits.
    ///
    /// They are taken once the caller has them, by a commit of its own: had it gone away before, they would be nobody's
    /// until their lease ends, and would count as having been tried.
    pub(super) async fn carry_out(&self, connection: &mut PgConnection) -> sqlx::Result<Claimed> {
        // By itself, so that what it locks is free again when it comes to taking.
        ordered::block(connection, self.terms, self.turned).await?;
        match self.at_once(connection, Reading::Together).await {
            // What cannot be read must not hold up all others.
            Err(error) if is_unreadable(&error) => self.at_once(connection, Reading::OneByOne).await,
            claimed => claimed,
        }
    }

    async fn at_once(&self, connection: &mut PgConnection, reading: Reading) -> sqlx::Result<Claimed> {
        let mut transaction = connection.begin().await?;
        match self.take_due(&mut transaction, reading).await {
            Ok(claimed) => {
                transaction.commit().await?;
                Ok(claimed)
            }
            // Another took a run of the same order key in the same moment; next time it is seen.
            Err(error) if super::ask::code(&error).is_some_and(|code| code == UNIQUE_VIOLATION) => {
                transaction.rollback().await?;
                Ok(Claimed { next_due: Some(Duration::ZERO), ..Claimed::default() })
            }
            Err(error) => {
                transaction.rollback().await?;
                Err(error)
            }
        }
    }

    async fn take_due(&self, connection: &mut PgConnection, reading: Reading) -> sqlx::Result<Claimed> {
        let Self { terms, turned, options, reserved } = *self;
        let mut claimed = Claimed::default();
        if reserved.claim(connection, terms, turned, reading, &mut claimed).await? {
            return Ok(claimed);
        }
        let taken = take(connection, terms, turned).await?;
        if taken.len() as i64 >= terms.limit {
            load(connection, taken, turned, reading, &mut claimed).await?;
            return Ok(claimed);
        }
        let (suspects, next_due) = look(connection, terms, turned).await?;
        claimed.next_due = next_due;
        let none_taken = taken.is_empty();
        load(connection, taken, turned, reading, &mut claimed).await?;
        if suspects && none_taken {
            reserved.find(connection, terms, turned, options, &mut claimed).await?;
            if !reserved.claim(connection, terms, turned, reading, &mut claimed).await? {
                let taken = take(connection, terms, turned).await?;
                load(connection, taken, turned, reading, &mut claimed).await?;
            }
        }
        Ok(claimed)
    }
}

async fn take(connection: &mut PgConnection, terms: &Terms, turned: i64) -> sqlx::Result<Vec<Taken>> {
    sqlx::query_as(TAKE)
        .bind(turned)
        .bind(&terms.listeners)
        .bind(&terms.rooms)
        .bind(&terms.dead_blocks)
        .bind(terms.limit)
        .bind(terms.lease)
        .bind(terms.retried_first)
        .bind(&terms.ripe.runs)
        .bind(&terms.ripe.due)
        .fetch_all(connection)
        .await
}

/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>
const UNIQUE_VIOLATION: &str = "23505";

/// Whether a suspect waits, and when the next run falls due that is not yet.
async fn look(
    connection: &mut PgConnection,
    terms: &Terms,
    turned: i64,
) -> sqlx::Result<(bool, Option<Duration>)> {
    let (suspects, next): (bool, Option<i64>) = sqlx::query_as(LOOK)
        .bind(turned)
        .bind(&terms.listeners)
        .bind(&terms.rooms)
        .bind(&terms.dead_blocks)
        .bind(&terms.ripe.runs)
        .bind(&terms.ripe.due)
        .fetch_one(connection)
        .await?;
    Ok((suspects, next.map(|it| Duration::from_millis(u64::try_from(it).unwrap_or_default()))))
}
