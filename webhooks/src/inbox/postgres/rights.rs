//! Whether this role may do all that is done here: said at startup, and not to each delivery.

use sqlx::PgConnection;

use super::open::OpenError;

/// What this role lacks, a statement a row that gives it. A number is taken from two of the sequences by name.
const LACKING: &str = "
WITH inbox AS (
    SELECT oid AS schema FROM pg_namespace WHERE nspname = 'webhooks'
), needed (place, name, wanted) AS (
    VALUES (1, 'deliveries', ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']),
           (2, 'events', ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']),
           (3, 'runs', ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']),
           (4, 'tokens', ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']),
           (5, 'failures', ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']),
           (6, 'inbox_version', ARRAY['SELECT'])
), lacking (place, rights, object) AS (
    SELECT 0, 'USAGE', 'SCHEMA webhooks' FROM inbox WHERE NOT has_schema_privilege(schema, 'USAGE')
    UNION ALL
    SELECT place, string_agg(it, ', ' ORDER BY number), 'webhooks.' || name
    FROM inbox CROSS JOIN needed JOIN pg_class t ON t.relnamespace = schema AND t.relname = name
    CROSS JOIN unnest(wanted) WITH ORDINALITY AS each (it, number)
    WHERE NOT has_table_privilege(t.oid, it) GROUP BY place, name
    UNION ALL
    SELECT 7, 'USAGE', 'SEQUENCE webhooks.' || t.relname
    FROM inbox JOIN pg_class t ON t.relnamespace = schema AND t.relname IN ('deliveries_id_seq', 'events_id_seq')
    WHERE NOT has_sequence_privilege(t.oid, 'USAGE, UPDATE')
    UNION ALL
    SELECT 8, 'EXECUTE', 'FUNCTION webhooks.move_up(text, bytea)'
    FROM inbox JOIN pg_proc f ON f.pronamespace = schema AND f.proname = 'move_up'
    WHERE NOT has_function_privilege(f.oid, 'EXECUTE')
)
SELECT 'GRANT ' || rights || ' ON ' || object || ' TO ' || quote_ident(current_user) || ';'
FROM lacking ORDER BY place, object";

/// Looks for what would otherwise be a surprise at the first delivery. Where there are no tables yet, nothing is lacking.
pub(super) async fn check(connection: &mut PgConnection) -> sqlx::Result<Result<(), OpenError>> {
    let sql = "SELECT current_setting('transaction_read_only') = 'on', quote_ident(current_user)";
    let (is_read_only, role): (bool, String) = sqlx::query_as(sql).fetch_one(&mut *connection).await?;
    if is_read_only {
        return Ok(Err(OpenError::new(
            format_args!("the transactions of the role {role} are read-only in this PostgreSQL"),
            format!("set `default_transaction_read_only = off` for the role {role} and its database"),
        )));
    }
    let grants: Vec<String> = sqlx::query_scalar(LACKING).fetch_all(connection).await?;
    if !grants.is_empty() {
        return Ok(Err(OpenError::new(
            format_args!("the role {role} may not do all that it has to in the schema `webhooks`"),
            format!("have the owner of the schema say:\n{}", grants.join("\n")),
        )));
    }
    Ok(Ok(()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::Fleet;
    use super::super::{PostgresInbox, PostgresOptions};
    use crate::inbox::record::Selection;
    use crate::inbox::{Access, Inbox as _};

    #[tokio::test(flavor = "multi_thread")]
    async fn what_a_role_lacks_is_said_at_startup() {
        let fleet = Fleet::new();
        // As the documentation says, where another role has made the tables.
        fleet.process().await;
        let role = format!("lesser_{}", fleet.url.rsplit('_').next().unwrap());
        fleet.query(&format!(
            "REVOKE EXECUTE ON FUNCTION webhooks.move_up FROM PUBLIC;
             CREATE ROLE {role} LOGIN;
             GRANT USAGE ON SCHEMA webhooks TO {role};
             GRANT USAGE ON ALL SEQUENCES IN SCHEMA webhooks TO {role};
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA webhooks TO {role};
             GRANT EXECUTE ON FUNCTION webhooks.move_up TO {role}"
        ));
        let options = fleet.options(&fleet.url.replace("postgres@", &format!("{role}@")));
        let open = async || PostgresInbox::open(options.clone()).await.map(|_| ());
        open().await.unwrap();
        for (rights, object) in [
            ("USAGE", "SCHEMA webhooks"),
            ("SELECT", "webhooks.inbox_version"),
            ("SELECT, INSERT, UPDATE, DELETE", "webhooks.events"),
            ("INSERT", "webhooks.runs"),
            ("UPDATE, DELETE", "webhooks.failures"),
            ("DELETE", "webhooks.tokens"),
            ("UPDATE", "webhooks.deliveries"),
            ("USAGE", "SEQUENCE webhooks.events_id_seq"),
            ("USAGE", "SEQUENCE webhooks.deliveries_id_seq"),
            ("EXECUTE", "FUNCTION webhooks.move_up(text, bytea)"),
        ] {
            fleet.query(&format!("REVOKE {rights} ON {object} FROM {role}"));
            let error = open().await.expect_err(object);
            assert!(error.to_string().contains(&format!("the role {role} may not")), "{error}");
            let (_, grants) = error.help().split_once('\n').unwrap();
            assert_eq!(grants, format!("GRANT {rights} ON {object} TO {role};"));
            fleet.query(grants);
            open().await.expect(object);
        }
        // An operator may look.
        fleet.query(&format!("REVOKE INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA webhooks FROM {role}"));
        let operator = PostgresOptions { access: Access::Operator, ..options.clone() };
        let (looking, _) = PostgresInbox::open(operator).await.unwrap();
        assert!(looking.list(Selection::new()).await.unwrap().is_empty());
        assert_eq!(open().await.unwrap_err().help().lines().count(), 1 + 5, "all of it is said at once");
    }

    /// Who may create no schema may be given one.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_schema_of_its_own_is_all_that_a_role_needs() {
        let fleet = Fleet::new();
        let role = format!("given_{}", fleet.url.rsplit('_').next().unwrap());
        fleet.query(&format!("CREATE ROLE {role} LOGIN; CREATE SCHEMA webhooks AUTHORIZATION {role}"));
        let options = fleet.options(&fleet.url.replace("postgres@", &format!("{role}@")));
        PostgresInbox::open(options.clone()).await.map(|_| ()).unwrap();
        PostgresInbox::open(options).await.map(|_| ()).unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_cannot_be_written_is_said_at_startup() {
        let fleet = Fleet::new();
        fleet.process().await;
        let database = fleet.url.rsplit('/').next().unwrap();
        fleet.query(&format!("ALTER DATABASE {database} SET default_transaction_read_only = on"));
        let error = PostgresInbox::open(fleet.options(&fleet.url)).await.map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("read-only"), "{error}");
        assert!(error.help().contains("default_transaction_read_only"), "{}", error.help());
    }
}
