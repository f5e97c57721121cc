//! What is looked at once, at startup.

use redis::aio::MultiplexedConnection;
use redis::{RedisResult, cmd};

use crate::store::StoreError;

/// The oldest Redis that is supported. Valkey began later.
const OLDEST: (u64, u64) = (6, 2);

/// What was found.
pub(super) struct Findings {
    /// Why no claim would ever be granted.
    pub(super) unsuitable: Option<StoreError>,
    /// What will lose events.
    pub(super) warnings: Vec<String>,
}

/// Looks at the server. An error: it cannot be reached.
pub(super) async fn look(connection: &mut MultiplexedConnection) -> RedisResult<Findings> {
    let _: () = cmd("PING").query_async(connection).await?;
    // Some managed servers forbid INFO: nothing is known then, and nothing said.
    let info: RedisResult<String> = cmd("INFO").query_async(connection).await;
    let info = info.unwrap_or_default();
    Ok(Findings { unsuitable: unsuitable(&info, connection).await, warnings: warnings(&info) })
}

async fn unsuitable(info: &str, connection: &mut MultiplexedConnection) -> Option<StoreError> {
    if field(info, "role") == Some("slave") {
        return Some(StoreError::Unsuitable {
            reason: "it is a replica, which refuses writes".to_owned(),
            remedy:
                "give the address of the primary, or one that follows it, in `webhooks.idempotency.redis.url`"
                    .to_owned(),
        });
    }
    if field(info, "redis_mode") != Some("cluster") {
        return None;
    }
    let cluster: RedisResult<String> = cmd("CLUSTER").arg("INFO").query_async(connection).await;
    let cluster = cluster.unwrap_or_default();
    let nodes = field(&cluster, "cluster_size").unwrap_or("several");
    // A cluster of one keeps every key.
    (nodes != "1").then(|| StoreError::Unsuitable {
        reason: format!("it is a node of a cluster of {nodes}, and keeps only a part of the keys"),
        remedy: "give a single server, or a proxy that speaks for the whole cluster, in \
                 `webhooks.idempotency.redis.url`"
            .to_owned(),
    })
}

fn warnings(info: &str) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(policy) = field(info, "maxmemory_policy").filter(|policy| *policy != "noeviction") {
        warnings.push(format!(
            "Redis has `maxmemory-policy {policy}`: when memory runs short it forgets what was handled; \
             `noeviction` makes it refuse instead, which is answered 503"
        ));
    }
    if let Some((major, minor)) = field(info, "redis_version").and_then(version)
        && (major, minor) < OLDEST
    {
        warnings.push(format!("this Redis is version {major}.{minor}; 6.2 is the oldest that is supported"));
    }
    warnings
}

/// A field of what INFO answers.
fn field<'i>(info: &'i str, name: &str) -> Option<&'i str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

fn version(text: &str) -> Option<(u64, u64)> {
    let mut numbers = text.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_server_is_warned_of() {
        let warned =
            |version: &str| !warnings(&format!("# Server\r\nredis_version:{version}\r\n")).is_empty();
        assert!(warned("5.0.14") && warned("6.0.16"));
        assert!(!warned("6.2.0") && !warned("7.0.15") && !warned("10.0.0"));
        assert!(!warned("unknown"), "nothing is known");
    }
}
