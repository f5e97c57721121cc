//! The store that the settings choose, looked at once before anything depends on it.

use std::sync::Arc;

use super::development::is_loopback;
use crate::clock::Clock;
use crate::problem::{Problem, Problems};
use crate::settings::config::{Config, StoreKind};
use crate::store::{self, DynStore, InMemoryWebhookEventStore, StoreError};

/// The store that the settings choose, unless one was given; `claims` are asked for where a source does without the
/// inbox. `None`: it cannot be used, and why is noted.
pub(super) async fn choose(
    config: &Config,
    given: Option<Arc<dyn DynStore>>,
    claims: bool,
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
            unusable(config, &error, problems);
            return None;
        }
    }
    let is_at_work = is_at_work(&config.http.bind, cfg!(debug_assertions));
    if store.forgets_on_restart() && claims && is_at_work {
        problems.warn(
            "what was handled is remembered in this process only, and forgotten when it restarts",
            "set `webhooks.idempotency.provider = \"redis\"`",
        );
    }
    Some(store)
}

/// Whether genuine deliveries are to be expected. Who has a server of their own says nothing of its address, but hardly
/// builds it for debugging.
fn is_at_work(bind: &str, is_debug: bool) -> bool {
    !is_loopback(bind) || !is_debug
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
    if note_lacking(url, problems) {
        return None;
    }
    match crate::store::RedisWebhookEventStore::connect(url).await {
        Ok(store) => Some(store::share(store)),
        Err(error) => {
            unusable(config, &error, problems);
            None
        }
    }
}

#[cfg(not(feature = "redis"))]
async fn open_redis(config: &Config, problems: &Problems) -> Option<Arc<dyn DynStore>> {
    note_lacking(&config.idempotency.redis_url, problems);
    None
}

/// Whether this build lacks what the server needs.
fn note_lacking(url: &str, problems: &Problems) -> bool {
    let lacking = lacking(url, cfg!(feature = "redis"), cfg!(feature = "redis-tls"));
    if let Some(Problem { what, help }) = &lacking {
        problems.add(what, help);
    }
    lacking.is_some()
}

fn lacking(url: &str, has_redis: bool, has_tls: bool) -> Option<Problem> {
    let needs_tls = asks_for_tls(url);
    let help =
        |feature| format!("in Cargo.toml: webhooks = {{ version = \"…\", features = [\"{feature}\"] }}");
    if !has_redis {
        let feature = if needs_tls { "redis-tls" } else { "redis" };
        let what = "`webhooks.idempotency.provider` is \"redis\", but this build has no support for it";
        return Some(Problem::new(what, help(feature)));
    }
    let what = format!(
        "`webhooks.idempotency.redis.url` asks for TLS ({}), but this build has no support for it",
        without_credentials(url)
    );
    (needs_tls && !has_tls).then(|| Problem::new(what, help("redis-tls")))
}

fn unusable(config: &Config, error: &StoreError, problems: &Problems) {
    let (place, help) = match config.idempotency.provider {
        StoreKind::InMemory => (String::new(), "see the documentation of the store"),
        StoreKind::Redis => (
            format!(" at {}", without_credentials(&config.idempotency.redis_url)),
            "start it, or set `webhooks.idempotency.redis.url`",
        ),
    };
    if let StoreError::Unsuitable { reason, remedy } = error {
        problems.add(format!("the idempotency store{place} cannot be used: {reason}"), remedy);
        return;
    }
    let cause = std::error::Error::source(error).map(|it| format!(": {it}")).unwrap_or_default();
    problems.add(format!("{error}{place}{cause}"), help);
}

/// The schemes that the Redis client takes for TLS.
fn asks_for_tls(url: &str) -> bool {
    ["rediss:", "valkeys:"].iter().any(|scheme| url.starts_with(scheme))
}

/// `redis://user:password@host/0` is `redis://host/0`. What comes with `?` or `#` may be a secret too.
fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return "the URL given".to_owned() };
    // A socket's path has its credentials behind it, any other address in front. A password may hold whatever ends a
    // host elsewhere, so that the host begins after the last `@` of all.
    let address = if scheme.contains("unix") { rest } else { rest.rsplit('@').next().unwrap_or_default() };
    let end = address.find(['?', '#']).unwrap_or(address.len());
    format!("{scheme}://{}", &address[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_build_is_at_work_wherever_it_listens() {
        assert!(is_at_work("0.0.0.0:8080", true) && is_at_work("127.0.0.1:8080", false));
        assert!(!is_at_work("127.0.0.1:8080", true));
    }

    #[test]
    fn credentials_are_not_shown() {
        for (url, shown) in [
            ("redis://u:p@ss@h:1/0", "redis://h:1/0"),
            ("redis://h", "redis://h"),
            ("redis://:ab/cd@h:6379/0", "redis://h:6379/0"),
            ("redis://:a?b#c/d@h/0", "redis://h/0"),
            ("rediss://u:p@h/0#insecure", "rediss://h/0"),
            ("redis+unix:///run/r.sock?user=u&pass=p", "redis+unix:///run/r.sock"),
            ("unix:///run/r.sock?pass=p@q", "unix:///run/r.sock"),
            ("nonsense:secret", "the URL given"),
        ] {
            assert_eq!(without_credentials(url), shown, "{url}");
        }
    }

    #[test]
    fn a_build_without_a_feature_says_which() {
        let lacks = |url, redis, tls| lacking(url, redis, tls).map(|problem| problem.to_string());
        let redis = lacks("redis://h", false, false).expect("a problem");
        assert!(redis.starts_with("`webhooks.idempotency.provider` is \"redis\""), "{redis}");
        assert!(redis.ends_with("features = [\"redis\"] }"), "{redis}");
        for url in ["rediss://u:secret@h/0", "valkeys://u:secret@h/0"] {
            let tls = lacks(url, true, false).expect("a problem");
            assert!(tls.contains("asks for TLS") && tls.ends_with("features = [\"redis-tls\"] }"), "{tls}");
            assert!(!tls.contains("secret"), "{tls}");
            assert!(lacks(url, false, false).is_some_and(|it| it.ends_with("features = [\"redis-tls\"] }")));
            assert_eq!(lacks(url, true, true), None);
        }
        assert_eq!(lacks("valkey://h", true, false), None);
    }

    #[cfg(not(feature = "redis"))]
    #[tokio::test]
    async fn redis_is_a_startup_error_in_a_build_without_it() {
        let settings = "idempotency.provider = \"redis\"".parse().expect("settings");
        let builder = crate::Webhooks::builder().settings(settings);
        let report = builder.build().await.expect_err("it cannot start").to_string();
        assert!(report.contains("features = [\"redis\"]"), "{report}");
    }
}
