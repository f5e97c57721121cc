//! What is looked at once, at startup.

use redis::aio::ConnectionManager;
use redis::{RedisResult, cmd};

/// The oldest Redis that is supported. Valkey began later.
const OLDEST: (u64, u64) = (6, 2);

/// Things about the server that will lose events. An error: it cannot be reached.
pub(super) async fn warnings(connection: &mut ConnectionManager) -> RedisResult<Vec<String>> {
    let _: () = cmd("PING").query_async(connection).await?;
    let mut warnings = Vec::new();
    // Managed servers forbid CONFIG, some also INFO: nothing is known then, and nothing said.
    let policy: RedisResult<Vec<String>> =
        cmd("CONFIG").arg("GET").arg("maxmemory-policy").query_async(connection).await;
    if let Some(policy) = policy.ok().and_then(|pair| pair.into_iter().nth(1))
        && policy != "noeviction"
    {
        warnings.push(format!(
            "Redis has `maxmemory-policy {policy}`: when memory runs short it forgets what was handled; \
             `noeviction` makes it refuse instead, which is answered 503"
        ));
    }
    let info: RedisResult<String> = cmd("INFO").arg("server").query_async(connection).await;
    if let Some((major, minor)) = info.ok().as_deref().and_then(version)
        && (major, minor) < OLDEST
    {
        warnings.push(format!("this Redis is version {major}.{minor}; 6.2 is the oldest that is supported"));
    }
    Ok(warnings)
}

fn version(info: &str) -> Option<(u64, u64)> {
    let version = info.lines().find_map(|line| line.strip_prefix("redis_version:"))?;
    let mut numbers = version.trim().split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}
