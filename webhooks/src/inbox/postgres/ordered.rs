//! Runs that share an order key: the first goes on, the others are blocked, which keeps them out of every claim's sight.
//!
//! `blocked` says that a run need not be looked at; whether one may go on is decided by [`in_order`] alone. It is set only
//! while a run that holds it up is locked `FOR SHARE`. Whoever ends that one, or takes it out of the way, waits for this
//! lock, and calls `move_up` after that, whose statements see what was committed meanwhile, and which waits for others that
//! take the first of the line away: so nobody is blocked behind nothing.

use sqlx::PgConnection;

use super::claim::{Terms, wanted};
use super::time::now;

/// A run `r` of one that is `wanted` is in front of all others that share its order key, and none of those is under
/// way. One that is held itself was in front when it was claimed.
macro_rules! in_order {
    () => {
        "(r.order_key IS NULL OR r.held OR NOT (
            EXISTS (SELECT FROM webhooks.runs f
                    WHERE f.listener = r.listener AND f.order_key = r.order_key AND f.held)
            OR EXISTS (SELECT FROM webhooks.runs f
                       WHERE f.listener = r.listener AND f.order_key = r.order_key AND f.state = 0 AND f.event < r.event)
            OR wanted.dead_blocks AND EXISTS (
                SELECT FROM webhooks.runs f
                WHERE f.listener = r.listener AND f.order_key = r.order_key AND f.state = 2 AND f.event < r.event)))"
    };
}
pub(super) use in_order;

/// The function `move_up`: has the first of those that are left looked at. Called for a run in whatever way it ends.
///
/// It is a function since each of its statements sees what was committed before it, even within the statement that calls
/// it. The first of a line may be ending in this very moment, or be dropped by an operator: whoever does that may not see
/// what is done here, and so is waited for, and then it is the next one's turn.
pub(super) const MOVE_UP: &str = "
CREATE FUNCTION webhooks.move_up(line_of text, line bytea) RETURNS void LANGUAGE plpgsql STRICT AS $$
DECLARE
    front bigint;
    is_blocked boolean;
BEGIN
    LOOP
        SELECT id INTO front FROM webhooks.runs
        WHERE listener = line_of AND order_key = line AND state = 0 ORDER BY event LIMIT 1;
        EXIT WHEN NOT FOUND;
        SELECT blocked INTO is_blocked FROM webhooks.runs WHERE id = front AND state = 0 FOR NO KEY UPDATE;
        IF FOUND THEN
            IF is_blocked THEN
                UPDATE webhooks.runs SET blocked = false WHERE id = front;
            END IF;
            EXIT;
        END IF;
    END LOOP;
END $$;
";

/// Of the runs of each listener that would be taken first, blocks those that may not go on. Of those in front of one, the
/// last is locked: nobody is about to claim it. What it was when it was found, it must still be then.
const BLOCK: &str = concat!(
    "UPDATE webhooks.runs SET blocked = true WHERE id = ANY(ARRAY(
    SELECT r.id FROM ",
    wanted!(),
    " CROSS JOIN (VALUES (0::bigint, 0::bigint), (1, ",
    now!(),
    ")) AS lane (earliest, latest) CROSS JOIN LATERAL (
        SELECT r.id, r.order_key, r.event FROM webhooks.runs r
        WHERE r.listener = wanted.listener AND r.state = 0 AND r.unsettled = 0 AND NOT r.blocked
          AND r.due_at BETWEEN lane.earliest AND lane.latest
        ORDER BY r.due_at, r.id LIMIT least(wanted.room, $5)
    ) AS early CROSS JOIN LATERAL (
        SELECT coalesce(
            (SELECT f.id FROM webhooks.runs f
             WHERE f.listener = wanted.listener AND f.order_key = early.order_key AND f.state = 0 AND f.event < early.event
             ORDER BY f.event DESC LIMIT 1),
            (SELECT f.id FROM webhooks.runs f
             WHERE f.listener = wanted.listener AND f.order_key = early.order_key AND f.held LIMIT 1),
            (SELECT f.id FROM webhooks.runs f
             WHERE wanted.dead_blocks AND f.listener = wanted.listener AND f.order_key = early.order_key AND f.state = 2
               AND f.event < early.event
             ORDER BY f.event DESC LIMIT 1)) AS id
    ) AS front CROSS JOIN LATERAL (
        SELECT FROM webhooks.runs f
        WHERE f.id = front.id AND (f.held OR f.event < early.event AND (f.state = 0 OR wanted.dead_blocks AND f.state = 2))
        FOR SHARE SKIP LOCKED
    ) AS locked JOIN webhooks.runs r ON r.id = early.id
    WHERE r.state = 0 AND r.unsettled = 0 AND NOT r.blocked
    FOR UPDATE OF r SKIP LOCKED))"
);

/// The first of every line after `$1` and `$2`, one after the other, however many wait behind each: `$3` lines.
const MOVE_SOME_UP: &str = "
WITH RECURSIVE line AS (
    (SELECT r.listener, r.order_key, r.blocked, 1 AS number FROM webhooks.runs r
     WHERE r.state = 0 AND r.order_key IS NOT NULL AND (r.listener, r.order_key) > ($1, $2)
     ORDER BY r.listener, r.order_key, r.event LIMIT 1)
    UNION ALL
    SELECT next.*, line.number + 1 FROM line CROSS JOIN LATERAL (
        SELECT r.listener, r.order_key, r.blocked FROM webhooks.runs r
        WHERE r.state = 0 AND r.order_key IS NOT NULL AND (r.listener, r.order_key) > (line.listener, line.order_key)
        ORDER BY r.listener, r.order_key, r.event LIMIT 1
    ) AS next WHERE line.number < $3
)
SELECT listener, order_key, CASE WHEN blocked THEN webhooks.move_up(listener, order_key)::text END
FROM line ORDER BY number";

/// Blocks runs that a claim would look at in vain.
pub(super) async fn block(connection: &mut PgConnection, terms: &Terms, turned: i64) -> sqlx::Result<()> {
    /// So many by one claim, give or take: the others by the next ones.
    const MOST: u64 = 256;
    let mut blocked = 0;
    while terms.ordered_rooms.iter().any(|room| *room > 0) && blocked < MOST {
        let more = sqlx::query(BLOCK)
            .bind(turned)
            .bind(&terms.listeners)
            .bind(&terms.ordered_rooms)
            .bind(&terms.dead_blocks)
            .bind(terms.limit)
            .execute(&mut *connection)
            .await?
            .rows_affected();
        if more == 0 {
            break;
        }
        blocked += more;
    }
    Ok(())
}

/// Has the first of those looked at that were behind runs of these listeners and order keys.
pub(super) async fn move_up(
    connection: &mut PgConnection,
    mut lines: Vec<(String, Option<Vec<u8>>)>,
) -> sqlx::Result<()> {
    lines.sort_unstable();
    lines.dedup();
    let (listeners, keys): (Vec<_>, Vec<_>) = lines.into_iter().filter(|(_, key)| key.is_some()).unzip();
    if listeners.is_empty() {
        return Ok(());
    }
    let sql = "SELECT webhooks.move_up(listener, line) FROM unnest($1::text[], $2::bytea[]) AS gone (listener, line)";
    sqlx::query(sql).bind(listeners).bind(keys).execute(connection).await?;
    Ok(())
}

/// A listener and an order key.
pub(super) type Line = (String, Vec<u8>);

/// Has the first of some lines looked at, those after this one: what the dead hold up is another matter after a new
/// deployment. Where it has come to, if there are more.
pub(super) async fn move_some_up(connection: &mut PgConnection, after: &Line) -> sqlx::Result<Option<Line>> {
    const PART: usize = 500;
    let mut lines: Vec<Line> = sqlx::query_as(MOVE_SOME_UP)
        .bind(&after.0)
        .bind(&after.1)
        .bind(PART as i32)
        .fetch_all(connection)
        .await?;
    let were_all = lines.len() < PART;
    Ok(lines.pop().filter(|_| !were_all))
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use sqlx::{Connection as _, PgConnection};

    use super::super::PostgresInbox;
    use super::super::tests::{Fleet, claim, parcel, parcel_of_lines, put};
    use crate::inbox::record::{RunState, Selection};
    use crate::inbox::{End, Inbox as _, Put};
    use crate::store::DeadReason;

    const IN_SIGHT: &str = "SELECT count(*) FROM webhooks.runs WHERE state = 0 AND NOT blocked";

    #[tokio::test(flavor = "multi_thread")]
    async fn those_behind_are_out_of_sight() {
        let fleet = Fleet::new();
        let inbox = fleet.process().await;
        for id in 0..20 {
            put(&inbox, &id.to_string(), &["a"], Some(1)).await;
        }
        assert_eq!(fleet.query(IN_SIGHT), "1");
        // Of a batch nobody is there before the others.
        let batch: Vec<String> = (20..320).map(|id| id.to_string()).collect();
        inbox.put(parcel(&batch, &["a"], Some(2))).await.unwrap();
        for _ in 0..2 {
            let heads = claim(&inbox, 5).await;
            assert_eq!(heads.len(), 2);
            for head in heads {
                inbox.settle(head.fence, End::Done).await.unwrap();
            }
            claim(&inbox, 0).await;
        }
        assert_eq!(fleet.query(IN_SIGHT), "2");
    }

    /// Puts, claims, ends of every kind, and an operator who drops and replays, all at once: in the end nobody waits
    /// behind nothing.
    #[tokio::test(flavor = "multi_thread")]
    async fn nobody_is_left_behind() {
        let fleet = Fleet::new();
        let processes = [fleet.process().await, fleet.process().await, fleet.process().await];
        let is_over = AtomicBool::new(false);
        let bring = async {
            for number in 0..300_u16 {
                put(&processes[0], &number.to_string(), &["a"], Some((number % 4) as u8)).await;
            }
        };
        let disturb = async {
            for number in (0..300_u16).step_by(3) {
                let event = Selection::new().event_id(number.to_string());
                processes[2].discard(event.state(RunState::Pending)).await.unwrap();
                processes[2].replay(Selection::new().state(RunState::Dead).limit(2)).await.unwrap();
            }
        };
        let work = async |inbox: &PostgresInbox| {
            while !is_over.load(Ordering::Relaxed) {
                end_all(inbox).await;
            }
        };
        let both = async {
            tokio::join!(bring, disturb);
            is_over.store(true, Ordering::Relaxed);
        };
        tokio::join!(both, work(&processes[0]), work(&processes[1]));
        while fleet.query("SELECT count(*) FROM webhooks.runs WHERE state = 0") != "0" {
            assert!(
                end_all(&processes[0]).await > 0,
                "{}",
                fleet.query("SELECT webhooks.runs FROM webhooks.runs WHERE state = 0")
            );
        }
    }

    /// The first is done while the second is being put down: whichever commits first, the second goes on. Also where
    /// transactions usually see nothing of what was committed meanwhile.
    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_put_behind_one_that_ends_goes_on() {
        for usual in ["read committed", "repeatable read", "serializable"] {
            let fleet = Fleet::new();
            let database = fleet.url.rsplit('/').next().unwrap();
            fleet.query(&format!("ALTER DATABASE {database} SET default_transaction_isolation = '{usual}'"));
            let inbox = fleet.process().await;
            put(&inbox, "1", &["a"], Some(1)).await;
            let head = claim(&inbox, 5).await.remove(0);
            let gate = Gate::shut(&fleet, "INSERT").await;
            let (putting, settling) = tokio::join!(put(&inbox, "2", &["a"], Some(1)), async {
                gate.until_waiting(&fleet, 1).await;
                let settling = inbox.settle(head.fence, End::Done);
                gate.open_for(&fleet, settling).await
            });
            assert_eq!((putting, settling.unwrap()), (Put::Stored, true));
            assert_eq!(claim(&inbox, 5).await.len(), 1, "{usual}");
        }
    }

    /// The first is done while the second is being dropped, blocked or not: the third goes on.
    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_behind_one_that_is_dropped_just_then_goes_on() {
        for is_in_sight in [false, true] {
            let fleet = Fleet::new();
            let inbox = fleet.process().await;
            for id in ["1", "2", "3"] {
                put(&inbox, id, &["a"], Some(1)).await;
            }
            let head = claim(&inbox, 5).await.remove(0);
            let second = || Selection::new().event_id("2");
            if is_in_sight {
                assert_eq!(inbox.replay(second()).await.unwrap().runs, 1);
            }
            let gate = Gate::shut(&fleet, "DELETE").await;
            let (dropped, settling) = tokio::join!(inbox.discard(second()), async {
                gate.until_waiting(&fleet, 1).await;
                let settling = inbox.settle(head.fence, End::Done);
                gate.open_for(&fleet, settling).await
            });
            assert_eq!((dropped.unwrap(), settling.unwrap()), (1, true));
            assert_eq!(claim(&inbox, 5).await[0].event.id.as_deref(), Some("3"));
        }
    }

    /// The dead held them up until a new deployment says otherwise. More lines than one part has: each sweep goes on where
    /// the last one came to.
    #[tokio::test(flavor = "multi_thread")]
    async fn what_the_dead_no_longer_hold_up_goes_on() {
        const LINES: u32 = 1_002;
        let fleet = Fleet::new();
        let inbox = fleet.process().await;
        for name in ["first", "second"] {
            inbox.put(parcel_of_lines(name, LINES)).await.unwrap();
        }
        let dead = "UPDATE webhooks.runs SET state = 2 WHERE event IN (
                        SELECT id FROM webhooks.events WHERE event_id LIKE 'first%');
                    UPDATE webhooks.runs SET blocked = true WHERE state = 0";
        fleet.query(dead);
        assert!(claim(&inbox, LINES as usize).await.is_empty());
        for (moved, more) in [(500, true), (1_000, true), (LINES, false)] {
            assert_eq!(inbox.sweep().await.unwrap(), more);
            assert_eq!(fleet.query(IN_SIGHT), moved.to_string());
        }
        assert_eq!(claim(&inbox, LINES as usize).await.len(), LINES as usize);
        // Then it begins at the first again.
        assert!(inbox.sweep().await.unwrap());
    }

    /// Commits of changed runs wait in front of it.
    struct Gate(PgConnection);

    impl Gate {
        async fn shut(fleet: &Fleet, change: &str) -> Self {
            fleet.query(&format!(
                "CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS
                     'BEGIN PERFORM pg_advisory_xact_lock(42); RETURN NULL; END';
                 CREATE CONSTRAINT TRIGGER gate AFTER {change} ON webhooks.runs DEFERRABLE INITIALLY DEFERRED
                     FOR EACH ROW EXECUTE FUNCTION gate()"
            ));
            let mut held = PgConnection::connect(&fleet.url).await.unwrap();
            sqlx::query("SELECT pg_advisory_lock(42)").execute(&mut held).await.unwrap();
            Self(held)
        }

        async fn until_waiting(&self, fleet: &Fleet, count: usize) {
            let waiting = "SELECT count(*) FROM pg_stat_activity
                           WHERE wait_event_type = 'Lock' AND datname = current_database()";
            while fleet.query(waiting) != count.to_string() {
                tokio::task::yield_now().await;
            }
        }

        /// Opens as soon as somebody else has come to an end, or waits for those who wait here.
        async fn open_for<T>(self, fleet: &Fleet, other: impl Future<Output = T>) -> T {
            let mut other = pin!(other);
            let ended = tokio::select! {
                ended = &mut other => Some(ended),
                () = self.until_waiting(fleet, 2) => None,
            };
            self.0.close().await.unwrap();
            match ended {
                Some(ended) => ended,
                None => other.await,
            }
        }
    }

    /// Claims what can be claimed, and ends it in one way or another. How many runs.
    async fn end_all(inbox: &PostgresInbox) -> usize {
        let runs = claim(inbox, 5).await;
        for run in &runs {
            let end = match (run.attempt, run.fence.run % 4) {
                (1, 0) => End::Retry { delay: Duration::ZERO, error: "again".to_owned() },
                (1, 1) => End::Dead { reason: DeadReason::Permanent, error: "no".to_owned() },
                (_, 2) if run.fence.attempt < 3 => End::Released,
                _ => End::Done,
            };
            // `false`: the operator has dropped it meanwhile.
            inbox.settle(run.fence, end).await.unwrap();
        }
        runs.len()
    }
}
