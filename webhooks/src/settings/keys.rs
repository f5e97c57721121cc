//! The keys of the settings.

use crate::catalogue;
use crate::document::key::Kind::{
    Count, Duration, Flag, Name, Size, Table, TablesByName, Text, Texts, TextsByName, Word,
};
use crate::document::key::{Key, Keys};
use crate::scheme::PROVIDER;

/// Those under `webhooks`.
pub(super) const SETTINGS: Keys = &[&[
    Key::new("enabled", Flag, "`false`: nothing is assembled, and every delivery is answered 503.")
        .or("true"),
    Key::new("http", Table(HTTP), "The server."),
    Key::new("max_body", Size, "The largest body.").or("1 MiB, or the provider's"),
    Key::new("max_buffered", Size, "Unverified bodies, all together.").or("256 MiB"),
    Key::new("max_in_flight", Count, "Deliveries that are handled at a time; what is over is answered 503.")
        .or("1024"),
    Key::new("head_timeout", Duration, "How long a request's head may take to arrive.").or("5s"),
    Key::new("read_timeout", Duration, "How long its body may take.").or("10s"),
    Key::new(
        "drain_delay",
        Duration,
        "How long deliveries are still taken once the process was told to end.",
    )
    .or("5s"),
    Key::new("shutdown_grace", Duration, "How long listeners may go on after that.").or("25s"),
    Key::new("inline", Table(INLINE), "Listeners that run before the delivery is answered."),
    Key::new("idempotency", Table(IDEMPOTENCY), "How events are remembered."),
    Key::new("inbox", Table(INBOX), "Deliveries that are stored before they are handled."),
    Key::new("effects", Table(EFFECTS), "What listeners with a `Tx` have done."),
    Key::new(
        "sources",
        TablesByName(SOURCE),
        "One table a source: `POST {path}/{name}`. A source named after a provider uses it.",
    ),
]];

const HTTP: Keys = &[&[
    Key::new("bind", Text, "Address and port.").or("127.0.0.1:8080"),
    Key::new("path", Text, "What the sources' names come after.").or("/webhooks"),
    Key::new(
        "public_url",
        Text,
        "What the providers call this service, up to the path: for those that sign the URL.",
    ),
]];

const INLINE: Keys = &[&[
    Key::new("timeout", Duration, "How long a listener may take.").or("30s, or less as the provider waits"),
    Key::new("max_attempts", Count, "How often an event is tried before it is dead.").or("8"),
]];

const IDEMPOTENCY: Keys = &[&[
    Key::new("provider", Word(|| vec!["in-memory", "redis"]), "Where claims live.").or("in-memory"),
    Key::new("ttl_seconds", Count, "How long an event is remembered, in seconds.")
        .or("86400, or the provider's retries if longer"),
    Key::new("lease", Duration, "How long a claim holds without being renewed.").or("30s"),
    Key::new("wait", Duration, "How long a duplicate waits for the attempt that is under way.").or("2s"),
    Key::new("max_keys", Count, "In memory: how many events are remembered.").or("1000000"),
    Key::new(
        "evict_oldest",
        Flag,
        "In memory: whether the oldest is forgotten where there is no room; else 503.",
    )
    .or("false"),
    Key::new("redis", Table(REDIS), "The Redis of `provider = \"redis\"`."),
]];

const REDIS: Keys = &[&[Key::new("url", Text, "Where it is; with a password, keep it in the environment.")
    .or("redis://localhost:6379/0")]];

const INBOX: Keys = &[&[
    Key::new(
        "provider",
        Word(|| vec!["none", "sqlite", "postgres"]),
        "Where deliveries are stored, if there is this table; `none`: listeners run inline.",
    )
    .or("sqlite"),
    Key::new("path", Text, "SQLite's file, on a local disk.").or("webhooks.db"),
    Key::new("url", Text, "PostgreSQL's: `postgres://user@host/database`."),
    Key::new("max_connections", Count, "To PostgreSQL, besides two for renewals and notifications.").or("16"),
    Key::new("max_attempts", Count, "How often a listener is tried before its run is dead.").or("12"),
    Key::new(
        "backoff",
        Duration,
        "How long the first retry waits at most; each further one three times as long.",
    )
    .or("5s"),
    Key::new("backoff_max", Duration, "How long any waits at most.").or("12h"),
    Key::new("timeout", Duration, "How long a listener may take.").or("60s"),
    Key::new("lease", Duration, "How long a run waits whose process has died, where others cannot tell.")
        .or("60s"),
    Key::new("keep_done", Duration, "How long an event is remembered once its last listener is through.")
        .or("7d"),
    Key::new("keep_body", Duration, "How long its body is kept after that.").or("24h"),
    Key::new("keep_dead", Duration, "How long dead runs are kept, with their body.").or("30d"),
    Key::new("max_pending", Count, "With so many runs waiting, no more deliveries are taken: 503.")
        .or("1000000"),
    Key::new("concurrency", Count, "How many runs go on side by side.").or("32"),
    Key::new("keep_headers", Texts, "Headers that are stored besides the usual ones."),
]];

const EFFECTS: Keys = &[&[Key::new(
    "keep",
    Duration,
    "How long it is remembered which listener has done its part in which event; at least as long as anything else of it.",
)
.or("90d")]];

pub(super) const SOURCE: Keys = &[&[
    Key::new(
        "provider",
        Name(|| catalogue::names().collect()),
        "How the vendor signs and names its webhooks.",
    )
    .or("the source's name"),
    Key::new("variant", Text, "An older or alternative scheme of the provider's, such as GitHub's `sha1`."),
    Key::new("secret", Texts, "The secret, exactly as the provider shows it."),
    Key::new("secrets", Texts, "Several, any of which may have signed: for rotating them."),
    Key::new("secret_file", Texts, "A file that holds the secret and nothing else, or several."),
    Key::new("validator", Text, "`none` to accept unsigned requests, or one that is registered in code.")
        .or("the provider's scheme"),
    Key::new(
        "expect",
        TextsByName,
        "What a delivery must say so that it is for this source: at a path (`$.account`), in a header, in a token's claim (`claim.aud`).",
    ),
    Key::new("verify_token", Text, "What was agreed on with a provider whose handshake has to bring it."),
    Key::new("tolerance_seconds", Count, "How old, or how far ahead, a signed time may be, in seconds.")
        .or("the provider's"),
    Key::new("max_body", Size, "The largest body.").or("`webhooks.max_body`, or the provider's"),
    Key::new("public_url", Text, "What the provider calls this service, up to the path.")
        .or("`webhooks.http.public_url`"),
    Key::new("batch", Flag, "`false` takes a delivery of several events as one.").or("true"),
    Key::new(
        "replay_guard",
        Word(|| vec!["digest", "off"]),
        "`digest`: the same signed content under another unsigned id is a duplicate.",
    )
    .or("off"),
    Key::new(
        "mode",
        Word(|| vec!["inline", "inbox"]),
        "Whether its events are stored before they are handled.",
    )
    .or("inbox, where there is one"),
    Key::new("scheme", Table(PROVIDER), "A provider of your own, or what is different from the catalogue's."),
]];
