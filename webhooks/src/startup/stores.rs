//! The store that the settings choose, looked at once before anything depends on it.

use std::sync::Arc;

use super::development::is_loopback;
use crate::clock::Clock;
use crate::problem::Problems;
use crate::settings::config::{Config, StoreKind};
use crate::store::{self, DynStore, InMemoryWebhookEventStore, StoreError};

/// The store that the settings choose, unless one was given. `None`: it cannot be used, and why is noted.
pub(super) async fn choose(
    config: &Config,
    given: Option<Arc<dyn DynStore>>,
    clock: &Clock,
    problems: &Problems,
) -> Option<Arc<dyn DynStore>> {
    let store = match given {
        Some(store) => store,
        None => open(config, clock, problems).await?,
    };
    match store.check().await {
        Ok(warnings) => {
            for warning in warnings {
                problems.warn(warning, "see the chapter on stores in the documentation");
            }
        }
        Err(error) => {
            unreachable(config, &error, problems);
            return None;
        }
    }
    if store.forgets_on_restart() && !is_loopback(&config.http.bind) {
        problems.warn(
            "what was handled is remembered in this process only, and forgotten when it restarts",
            "set `webhooks.idempotency.provider = \"redis\"`",
        );
    }
    Some(store)
}

async fn open(config: &Config, clock: &Clock, problems: &Problems) -> Option<Arc<dyn DynStore>> {
    match config.idempotency.provider {
        StoreKind::InMemory => {
            let store = InMemoryWebhookEventStore::new()
                .with_max_keys(config.idempotency.max_keys)
                .with_clock(clock.clone());
            let store = if config.idempotency.evict_oldest { store.evict_oldest_completed() } else { store };
            Some(store::share(store))
        }
        StoreKind::Redis => open_redis(config, problems).await,
    }
}

#[cfg(feature = "redis")]
async fn open_redis(config: &Config, problems: &Problems) -> Option<Arc<dyn DynStore>> {
    let url = &config.idempotency.redis_url;
    if url.starts_with("rediss:") && !cfg!(feature = "redis-tls") {
        problems.add(
            "`webhooks.idempotency.redis.url` asks for TLS (rediss://), but this build has no support for it",
            "in Cargo.toml: webhooks = { version = \"…\", features = [\"redis-tls\"] }",
        );
        return None;
    }
    match crate::store::RedisWebhookEventStore::connect(url).await {
        Ok(store) => Some(store::share(store)),
        Err(error) => {
            unreachable(config, &error, problems);
            None
        }
    }
}

#[cfg(not(feature = "redis"))]
async fn open_redis(_: &Config, problems: &Problems) -> Option<Arc<dyn DynStore>> {
    problems.add(
        "`webhooks.idempotency.provider` is \"redis\", but this build has no support for it",
        "in Cargo.toml: webhooks = { version = \"…\", features = [\"redis\"] }",
    );
    None
}

fn unreachable(config: &Config, error: &StoreError, problems: &Problems) {
    let cause = std::error::Error::source(error).map(|it| format!(": {it}")).unwrap_or_default();
    match config.idempotency.provider {
        StoreKind::InMemory => problems.add(format!("{error}{cause}"), "see the documentation of the store"),
        StoreKind::Redis => problems.add(
            format!("{error} at {}{cause}", without_credentials(&config.idempotency.redis_url)),
            "start it, or set `webhooks.idempotency.redis.url`",
        ),
    }
}

/// `redis://user:password@host/0` is `redis://host/0`.
fn without_credentials(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let authority_end = rest.find('/').unwrap_or(rest.len());
            // A password may hold an `@`: the host begins after the last one.
            let host = rest[..authority_end].rfind('@').map_or(0, |at| at + 1);
            format!("{scheme}://{}", &rest[host..])
        }
        None => "the URL given".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_not_shown() {
        assert_eq!(without_credentials("redis://u:p@ss@h:1/0"), "redis://h:1/0");
        assert_eq!(without_credentials("redis://h"), "redis://h");
        assert_eq!(without_credentials("nonsense:secret"), "the URL given");
    }
}
