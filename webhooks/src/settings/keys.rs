//! The keys of the settings.

use crate::catalogue;
use crate::document::key::Kind::{
    Count, Duration, Flag, Name, Size, Table, TablesByName, Text, Texts, TextsByName, Word,
};
use crate::document::key::{Key, Keys};
use crate::scheme::PROVIDER;

/// Those under `webhooks`.
pub(super) const SETTINGS: Keys = &[&[
    Key::new(
        "enabled",
        Flag,
        "Whether deliveries are handled. `false`: nothing is assembled, and every delivery is answered 503.",
    )
    .or("true"),
    Key::new("http", Table(HTTP), "The server."),
    Key::new("max_body", Size, "The largest body that is accepted; a larger one is answered 413.")
        .or("1 MiB, or the provider's"),
    Key::new("max_buffered", Size, "Memory for bodies that are not verified yet, over all requests.")
        .or("256 MiB"),
    Key::new("max_in_flight", Count, "How many events are handled at a time, and how many deliveries are stored at a time; more are answered 503, but the events of one delivery wait for each other.")
        .or("1024"),
    Key::new("head_timeout", Duration, "How long a request's head may take to arrive.").or("5s"),
    Key::new("read_timeout", Duration, "How long a request's body may take to arrive.").or("10s"),
    Key::new("drain_delay", Duration, "At shutdown: how long deliveries are still accepted.").or("5s"),
    Key::new("shutdown_grace", Duration, "At shutdown: how long listeners may go on after `drain_delay`.")
        .or("25s"),
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
    Key::new("bind", Text, "The address and port to listen on.").or("127.0.0.1:8080"),
    Key::new("path", Text, "URL prefix of all sources: `POST {path}/{source}`.").or("/webhooks"),
    Key::new(
        "public_url",
        Text,
        "The URL that the providers were given, up to the path: for those that sign the URL.",
    ),
]];

const INLINE: Keys = &[&[
    Key::new("timeout", Duration, "How long a listener may run.").or("30s, or less as the provider waits"),
    Key::new("max_attempts", Count, "After how many failed attempts an event is dead.").or("8"),
]];

const IDEMPOTENCY: Keys = &[&[
    Key::new("provider", Word(|| vec!["in-memory", "redis"]), "Where it is remembered which events were handled.").or("in-memory"),
    Key::new("ttl_seconds", Count, "How long a handled event is remembered, in seconds.")
        .or("86400, or the provider's retries if longer"),
    Key::new("lease", Duration, "How long a claim on an event lasts without renewal; after this, an event whose process was killed can be handled again.").or("30s"),
    Key::new("wait", Duration, "How long a duplicate waits for the attempt that is under way in the same process, before it is answered 503; eight at most wait for one event.").or("2s"),
    Key::new("max_keys", Count, "In memory: how many events are remembered at most.").or("1000000"),
    Key::new(
        "evict_oldest",
        Flag,
        "In memory, with `max_keys` events remembered: `true` forgets the oldest handled one, `false` answers new ones 503.",
    )
    .or("false"),
    Key::new("redis", Table(REDIS), "The Redis of `provider = \"redis\"`."),
]];

const REDIS: Keys =
    &[&[Key::new("url", Text, "URL of the Redis server; if it has a password, keep it in the environment.")
        .or("redis://localhost:6379/0")]];

const INBOX: Keys = &[&[
    Key::new(
        "provider",
        Word(|| vec!["none", "sqlite", "postgres"]),
        "The engine that stores deliveries, if there is this table; `none`: listeners run inline.",
    )
    .or("sqlite"),
    Key::new("path", Text, "SQLite: the database file, on a local disk.").or("webhooks.db"),
    Key::new("url", Text, "PostgreSQL: the URL of the database, `postgres://user@host/database`."),
    Key::new("max_connections", Count, "Size of the PostgreSQL pool; two more connections serve renewals and notifications.").or("16"),
    Key::new("max_attempts", Count, "After how many attempts a run is dead.").or("12"),
    Key::new(
        "backoff",
        Duration,
        "Longest pause before the first retry; it is three times as long before each further one, up to `backoff_max`.",
    )
    .or("5s"),
    Key::new("backoff_max", Duration, "Longest pause before a retry.").or("12h"),
    Key::new("timeout", Duration, "How long a listener may run.").or("60s"),
    Key::new("lease", Duration, "How long a claim on a run lasts without renewal; in PostgreSQL, a run whose process was killed is retried after up to one and a half of it.")
        .or("60s"),
    Key::new("keep_done", Duration, "How long a handled event is remembered after its last run has ended.")
        .or("7d"),
    Key::new("keep_body", Duration, "How long the body of a handled event is kept after its last run has ended.").or("24h"),
    Key::new("keep_dead", Duration, "How long dead runs are kept, with the event's body.").or("30d"),
    Key::new("max_pending", Count, "How many runs may be pending; beyond that, deliveries are answered 503.")
        .or("1000000"),
    Key::new("concurrency", Count, "How many runs a process has under way at a time.").or("32"),
    Key::new("keep_headers", Texts, "Names of headers that are stored besides the usual ones."),
]];

const EFFECTS: Keys = &[&[Key::new(
    "keep",
    Duration,
    "How long it is remembered which listeners with a `Tx` have handled an event; never shorter than anything else is remembered of the event.",
)
.or("90d")]];

pub(super) const SOURCE: Keys = &[&[
    Key::new(
        "provider",
        Name(|| catalogue::names().collect()),
        "The provider, which says how the vendor signs and names its webhooks.",
    )
    .or("the source's name"),
    Key::new("variant", Text, "An older or alternative scheme of the provider's, such as GitHub's `sha1`."),
    Key::new("secret", Texts, "The secret, exactly as the provider shows it."),
    Key::new("secrets", Texts, "Several secrets, any of which may have signed: for rotating them."),
    Key::new("secret_file", Texts, "A file that holds the secret and nothing else, or several files."),
    Key::new("validator", Text, "`none` accepts unsigned requests; any other name is that of a validator registered in code.")
        .or("the provider's scheme"),
    Key::new(
        "expect",
        TextsByName,
        "What a delivery must say to be for this source, by place: a path (`$.account`), a header, or a token's claim (`claim.aud`).",
    ),
    Key::new("verify_token", Text, "The text agreed on with a provider that sends it in its handshake, such as Meta."),
    Key::new("tolerance_seconds", Count, "How old, or how far ahead, a signed time may be, in seconds.")
        .or("the provider's"),
    Key::new("max_body", Size, "The largest body that this source accepts.").or("`webhooks.max_body`, or the provider's"),
    Key::new("public_url", Text, "The URL that the provider was given, up to the path.")
        .or("`webhooks.http.public_url`"),
    Key::new("batch", Flag, "`false` handles a delivery of several events as one event.").or("true"),
    Key::new(
        "replay_guard",
        Word(|| vec!["digest", "off"]),
        "`digest`: the same signed content under another unsigned id is a duplicate.",
    )
    .or("off"),
    Key::new(
        "mode",
        Word(|| vec!["inline", "inbox"]),
        "`inbox`: deliveries are stored before they are handled; `inline`: listeners run before the delivery is answered.",
    )
    .or("inbox, where there is one"),
    Key::new("scheme", Table(PROVIDER), "A provider of your own, or what is different from the catalogue's entry."),
]];
