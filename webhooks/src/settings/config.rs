//! Typed settings. Reading them is checking them: what comes out of here needs no further check.

use std::fmt;
use std::time::Duration;

use super::Settings;
use super::inbox::InboxConfig;
use super::source::SourceConfig;
use crate::document::{Origin, TableReader};
use crate::problem::Problems;

/// All settings, read and checked.
pub(crate) struct Config {
    pub(crate) enabled: bool,
    pub(crate) http: HttpConfig,
    pub(crate) limits: Limits,
    pub(crate) inline: InlineConfig,
    pub(crate) idempotency: IdempotencyConfig,
    /// `None`: listeners run inline.
    pub(crate) inbox: Option<InboxConfig>,
    #[cfg_attr(
        not(feature = "postgres"),
        allow(dead_code, reason = "read all the same, so that it is checked")
    )]
    pub(crate) effects: EffectsConfig,
    /// Those that could be read.
    pub(crate) sources: Vec<SourceConfig>,
    /// All that are mentioned.
    pub(crate) source_names: Vec<String>,
}

pub(crate) struct HttpConfig {
    /// `host:port`.
    pub(crate) bind: String,
    /// Begins with a slash and does not end with one; empty for the root.
    pub(crate) path: String,
    pub(crate) public_url: Option<String>,
    pub(crate) head_timeout: Duration,
    pub(crate) read_timeout: Duration,
    pub(crate) drain_delay: Duration,
    pub(crate) shutdown_grace: Duration,
}

#[derive(Debug)]
pub(crate) struct Limits {
    /// Bytes of a body; `None`: not set, so that the catalogue may raise it.
    pub(crate) max_body: Option<u64>,
    /// Bytes of all unverified bodies together.
    pub(crate) max_buffered: u64,
    pub(crate) max_in_flight: usize,
}

#[derive(Debug)]
pub(crate) struct InlineConfig {
    pub(crate) timeout: Option<Duration>,
    pub(crate) max_attempts: u32,
}

pub(crate) struct IdempotencyConfig {
    pub(crate) provider: StoreKind,
    /// `None`: not set, so that the provider's retry horizon may lengthen it.
    pub(crate) ttl: Option<Duration>,
    pub(crate) lease: Duration,
    pub(crate) wait: Duration,
    pub(crate) max_keys: usize,
    pub(crate) evict_oldest: bool,
    /// May hold a password.
    pub(crate) redis_url: String,
}

// Read in every build, so that a mistake is reported in every build.
#[cfg_attr(not(feature = "postgres"), allow(dead_code))]
pub(crate) struct EffectsConfig {
    /// How long the rows of what has been done are kept at the least.
    pub(crate) keep: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoreKind {
    InMemory,
    Redis,
}

impl Config {
    pub(crate) fn read(settings: &Settings, problems: &Problems) -> Self {
        let root =
            TableReader::new(&settings.table, "webhooks", Origin::Other("the settings".into()), problems);
        let config = Self {
            inbox: InboxConfig::read(&root),
            effects: EffectsConfig::read(&root),
            enabled: root.boolean("enabled").unwrap_or(true),
            http: HttpConfig::read(&root),
            limits: Limits::read(&root),
            inline: InlineConfig::read(&root),
            idempotency: IdempotencyConfig::read(&root),
            sources: SourceConfig::read_all(&root),
            source_names: root
                .raw_table("sources")
                .map(|sources| sources.keys().cloned().collect())
                .unwrap_or_default(),
        };
        root.finish();
        config
    }
}

impl HttpConfig {
    fn read(root: &TableReader<'_>) -> Self {
        let http = root.table("http");
        let text = |key| http.as_ref().and_then(|http| http.string(key));
        let config = Self {
            bind: text("bind").unwrap_or_else(|| "127.0.0.1:8080".to_owned()),
            path: text("path").unwrap_or_else(|| "/webhooks".to_owned()).trim_end_matches('/').to_owned(),
            public_url: http.as_ref().and_then(read_public_url),
            head_timeout: positive_duration(root, "head_timeout").unwrap_or(Duration::from_secs(5)),
            read_timeout: positive_duration(root, "read_timeout").unwrap_or(Duration::from_secs(10)),
            drain_delay: root.duration("drain_delay").unwrap_or(Duration::from_secs(5)),
            shutdown_grace: root.duration("shutdown_grace").unwrap_or(Duration::from_secs(25)),
        };
        if let Some(http) = http {
            if !is_address(&config.bind) {
                http.problem(
                    "bind",
                    "not an address",
                    "write an IP address and a port, such as \"127.0.0.1:8080\"",
                );
            }
            if !config.path.is_empty() && !is_path(&config.path) {
                http.problem("path", "not a path", "write one such as \"/webhooks\"");
            }
            http.finish();
        }
        config
    }
}

impl Limits {
    fn read(root: &TableReader<'_>) -> Self {
        let max_in_flight = positive_number(root, "max_in_flight");
        let max_buffered = root.size("max_buffered");
        if max_buffered == Some(0) {
            root.problem(
                "max_buffered",
                "with 0, no body could ever be received",
                "write a size such as \"256 MiB\"",
            );
        }
        Self {
            max_body: root.size("max_body"),
            max_buffered: max_buffered.unwrap_or(256 << 20),
            max_in_flight: max_in_flight.and_then(|it| usize::try_from(it).ok()).unwrap_or(1_024),
        }
    }
}

impl InlineConfig {
    fn read(root: &TableReader<'_>) -> Self {
        let mut config = Self { timeout: None, max_attempts: 8 };
        let Some(inline) = root.table("inline") else { return config };
        config.timeout = positive_duration(&inline, "timeout");
        if let Some(attempts) = positive_number(&inline, "max_attempts") {
            config.max_attempts = u32::try_from(attempts).unwrap_or(u32::MAX);
        }
        inline.finish();
        config
    }
}

/// Without the public URL, which may hold a password: some vendors sign the URL with it.
impl fmt::Debug for HttpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpConfig")
            .field("bind", &self.bind)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl IdempotencyConfig {
    fn read(root: &TableReader<'_>) -> Self {
        let mut config = Self {
            provider: StoreKind::InMemory,
            ttl: None,
            lease: Duration::from_secs(30),
            wait: Duration::from_secs(2),
            max_keys: crate::InMemoryWebhookEventStore::DEFAULT_MAX_KEYS,
            evict_oldest: false,
            redis_url: "redis://localhost:6379/0".to_owned(),
        };
        let Some(table) = root.table("idempotency") else { return config };
        let stores = [("in-memory", StoreKind::InMemory), ("redis", StoreKind::Redis)];
        config.provider = table.one_of("provider", &stores).unwrap_or(config.provider);
        config.ttl = table.unsigned("ttl_seconds").map(Duration::from_secs);
        if config.ttl == Some(Duration::ZERO) {
            let help = "write how many seconds an event is remembered, or leave it out: at least the provider's retries";
            table.problem("ttl_seconds", "with 0, every redelivery would be handled again", help);
        }
        if let Some(lease) = table.duration("lease") {
            if lease < Duration::from_millis(100) {
                table.problem(
                    "lease",
                    "too short to be renewed in time",
                    "write 100ms or more; 30s is usual",
                );
            }
            config.lease = lease;
        }
        config.wait = table.duration("wait").unwrap_or(config.wait);
        if let Some(max_keys) = positive_number(&table, "max_keys") {
            config.max_keys = usize::try_from(max_keys).unwrap_or(usize::MAX);
        }
        config.evict_oldest = table.boolean("evict_oldest").unwrap_or(false);
        if let Some(redis) = table.table("redis") {
            if !table.has("provider") {
                table.problems().warn(
                    format!("{} is not used: claims are kept in memory", table.place("redis")),
                    "write `provider = \"redis\"` in [webhooks.idempotency], or remove it",
                );
            }
            config.redis_url = redis.string("url").unwrap_or(config.redis_url);
            redis.finish();
        }
        table.finish();
        config
    }
}

impl EffectsConfig {
    fn read(root: &TableReader<'_>) -> Self {
        let mut config = Self { keep: Duration::from_secs(90 * 86_400) };
        let Some(table) = root.table("effects") else { return config };
        config.keep = positive_duration(&table, "keep").unwrap_or(config.keep);
        table.finish();
        config
    }
}

/// A duration; zero is noted as a mistake.
pub(super) fn positive_duration(table: &TableReader<'_>, key: &str) -> Option<Duration> {
    let duration = table.duration(key);
    if duration == Some(Duration::ZERO) {
        table.problem(key, "with 0, nothing could ever finish", "write a duration such as \"10s\"");
    }
    duration
}

/// A number; zero is noted as a mistake.
pub(super) fn positive_number(table: &TableReader<'_>, key: &str) -> Option<u64> {
    let number = table.unsigned(key);
    if number == Some(0) {
        table.problem(key, "with 0, nothing could ever run", "write 1 or more");
    }
    number
}

fn is_address(bind: &str) -> bool {
    bind.parse::<std::net::SocketAddr>().is_ok()
        || bind.strip_prefix("localhost:").is_some_and(|port| port.parse::<u16>().is_ok())
}

fn is_path(path: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.' | '~');
    path.starts_with('/') && !path.contains("//") && path.chars().all(plain)
}

/// What providers that sign the URL were given, up to the path that reaches this process.
pub(super) fn read_public_url(table: &TableReader<'_>) -> Option<String> {
    let url = table.string("public_url")?;
    let parsed = url.parse::<http::Uri>().ok();
    let good = parsed.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some() && uri.query().is_none()
    });
    if !good || url.contains('#') {
        let help = "write it as the provider was given it, up to the path: \"https://example.com\"";
        table.problem("public_url", "not a URL to which paths can be added", help);
        return None;
    }
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_of_a_public_url_is_not_shown() {
        let settings = "http.public_url = \"https://us:canary@h\"".parse::<Settings>().unwrap();
        let problems = Problems::default();
        let config = Config::read(&settings, &problems);
        assert!(problems.is_empty() && config.http.public_url.is_some());
        assert!(!format!("{:?}", config.http).contains("canary"));
    }
}
