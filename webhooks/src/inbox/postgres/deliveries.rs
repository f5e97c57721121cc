//! What is left of deliveries whose events go.

use sqlx::{PgConnection, Postgres, Transaction};

/// Of these deliveries, some of whose events were removed or stripped in this transaction: forgets those that have no event
/// any more, and takes the body from those that none of their events needs.
///
/// They are locked by a statement of its own before they are looked at. Two that remove the last two events of a delivery
/// would not see each other's otherwise, and leave it for good. Locked in order, so that they do not wait for each other.
pub(super) async fn tidy(
    transaction: &mut Transaction<'_, Postgres>,
    deliveries: Vec<i64>,
) -> sqlx::Result<()> {
    if deliveries.is_empty() {
        return Ok(());
    }
    let connection: &mut PgConnection = transaction;
    for sql in [LOCK, FORGET, STRIP] {
        sqlx::query(sql).bind(&deliveries).execute(&mut *connection).await?;
    }
    Ok(())
}

const LOCK: &str = "SELECT FROM webhooks.deliveries WHERE id = ANY($1) ORDER BY id FOR UPDATE";

const FORGET: &str = "DELETE FROM webhooks.deliveries d WHERE d.id = ANY($1)
    AND NOT EXISTS (SELECT FROM webhooks.events e WHERE e.delivery = d.id)";

const STRIP: &str = "UPDATE webhooks.deliveries d SET body = NULL, headers = NULL
    WHERE d.id = ANY($1) AND d.body IS NOT NULL
    AND NOT EXISTS (SELECT FROM webhooks.events e WHERE e.delivery = d.id AND NOT e.stripped)";

#[cfg(test)]
mod tests {
    use sqlx::Connection as _;

    use super::super::tests::{Fleet, claim, parcel};
    use crate::inbox::record::Selection;
    use crate::inbox::{End, Inbox as _};

    /// Both have removed theirs before either commits.
    #[tokio::test(flavor = "multi_thread")]
    async fn two_that_remove_the_last_two_events_leave_no_delivery() {
        let fleet = Fleet::new();
        let (one, two) = (fleet.process().await, fleet.process().await);
        one.put(parcel(&["1".to_owned(), "2".to_owned()], &["a"], None)).await.unwrap();
        for run in claim(&one, 5).await {
            one.settle(run.fence, End::Done).await.unwrap();
        }
        fleet.query(
            "CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS
                 'BEGIN PERFORM pg_advisory_xact_lock_shared(42); RETURN NULL; END';
             CREATE CONSTRAINT TRIGGER gate AFTER DELETE ON webhooks.events DEFERRABLE INITIALLY DEFERRED
                 FOR EACH ROW EXECUTE FUNCTION gate()",
        );
        let mut held = sqlx::PgConnection::connect(&fleet.url).await.unwrap();
        sqlx::query("SELECT pg_advisory_lock(42)").execute(&mut held).await.unwrap();
        let drop_both = async {
            let (first, second) = (Selection::new().event_id("1"), Selection::new().event_id("2"));
            tokio::join!(one.discard(first), two.discard(second))
        };
        let open = async {
            let waiting = "SELECT count(*) FROM pg_stat_activity
                           WHERE wait_event_type = 'Lock' AND datname = current_database()";
            while fleet.query(waiting) != "2" {
                tokio::task::yield_now().await;
            }
            held.close().await.unwrap();
        };
        let ((first, second), ()) = tokio::join!(drop_both, open);
        assert_eq!((first.unwrap(), second.unwrap()), (1, 1));
        assert_eq!(fleet.query("SELECT count(*) FROM webhooks.deliveries"), "0");
    }
}
