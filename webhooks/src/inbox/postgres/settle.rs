//! Ends attempts, and with the last of an event's runs begins to count how long it is kept.

use sqlx::PgConnection;

use super::Options;
use super::time::{self, now};
use crate::inbox::{End, Fence, failure};
use crate::store::DeadReason;

/// The columns of an event `e`, of whose runs so many have just been settled and so many of these are dead. With the
/// last pending one, how long it is kept begins to count: `$6`, `$7` and `$8` say how long names, bodies and the dead
/// are. A provider that sends an event again must find it known for as long as it may do so.
macro_rules! closing {
    ($settled:literal, $dead:literal) => {
        concat!(
            "pending = e.pending - ",
            $settled,
            ", dead = e.dead + ",
            $dead,
            ", strip_at = CASE WHEN e.pending = ",
            $settled,
            " AND e.dead + ",
            $dead,
            " = 0 AND NOT e.stripped THEN ",
            now!(),
            " + $7 END, purge_at = CASE WHEN e.pending = ",
            $settled,
            " THEN ",
            now!(),
            " + greatest(e.retention, CASE WHEN e.dead + ",
            $dead,
            " = 0 THEN $6 ELSE $8 END) END"
        )
    };
}
pub(super) use closing;

/// `$4` is the state, `$5` the reason, `$9` the error.
const FINISH: &str = concat!(
    "WITH ended AS (
    UPDATE webhooks.runs SET state = $4, reason = $5, unsettled = 0, held = false, settled_at = ",
    now!(),
    "
    WHERE id = $2 AND attempt = $3 AND state = 0 AND held
    RETURNING event, webhooks.move_up(listener, order_key)
), noted AS (
    INSERT INTO webhooks.failures (run, attempt, at, error) SELECT $2, $3, ",
    now!(),
    ", $9 FROM ended WHERE $9 IS NOT NULL
    ON CONFLICT (run, attempt) DO UPDATE SET at = excluded.at, error = excluded.error
)
UPDATE webhooks.events e SET ",
    closing!("1", "(CASE WHEN $4 = 2 THEN 1 ELSE 0 END)"),
    " FROM ended WHERE e.id = ended.event"
);

const RETRY: &str = concat!(
    "WITH ended AS (
    UPDATE webhooks.runs SET unsettled = 0, held = false, due_at = ",
    now!(),
    " + $4
    WHERE id = $2 AND attempt = $3 AND state = 0 AND held
    RETURNING id, webhooks.move_up(listener, order_key)
)
INSERT INTO webhooks.failures (run, attempt, at, error) SELECT id, $3, ",
    now!(),
    ", $5 FROM ended
ON CONFLICT (run, attempt) DO UPDATE SET at = excluded.at, error = excluded.error"
);

/// As it was before the claim, but for the fence; it waits for nothing, so that `$1`, the time, is not asked for.
const RELEASE: &str =
    "UPDATE webhooks.runs SET unsettled = unsettled - 1, spent = spent - 1, held = false, due_at = 0
    WHERE id = $2 AND attempt = $3 AND state = 0 AND held
    RETURNING webhooks.move_up(listener, order_key)";

/// Ends an attempt. `false`: it is no longer the last one.
pub(super) async fn settle(
    connection: &mut PgConnection,
    fence: Fence,
    end: &End,
    turned: i64,
    options: &Options,
) -> sqlx::Result<bool> {
    let attempt = i32::try_from(fence.attempt).unwrap_or(i32::MAX);
    let (sql, finish) = match end {
        End::Done => (FINISH, Some((1_i16, None, None))),
        End::Dead { reason, error } => (FINISH, Some((2, Some(DeadReason::code(*reason)), Some(error)))),
        End::Retry { .. } => (RETRY, None),
        End::Released => (RELEASE, None),
    };
    let kept = |error: &String| super::text::storable(failure::kept(error));
    let statement = sqlx::query(sql).bind(turned).bind(fence.run).bind(attempt);
    let statement = match (finish, end) {
        (Some((state, reason, error)), _) => statement
            .bind(state)
            .bind(reason)
            .bind(options.keep_done)
            .bind(options.keep_body)
            .bind(options.keep_dead)
            .bind(error.map(kept)),
        (None, End::Retry { delay, error }) => statement.bind(time::span(*delay)).bind(kept(error)),
        (None, _) => statement,
    };
    Ok(statement.execute(connection).await?.rows_affected() > 0)
}
