//! Each store in a world whose time can be made to pass.

use std::time::Duration;

use support::redis_server::RedisServer;
use webhooks::{Clock, InMemoryWebhookEventStore, RedisWebhookEventStore, WebhookEventStore};

/// A store, and its time.
pub(crate) trait World {
    type Store: WebhookEventStore;

    /// Whether a settlement that is asked for again is answered as it was the first time.
    const SETTLES_AGAIN: bool;

    fn store(&self) -> &Self::Store;

    /// Makes time pass for the store. Real time passes besides, but little of it.
    fn pass(&self, time: Duration);
}

pub(crate) struct InMemory {
    store: InMemoryWebhookEventStore,
    clock: Clock,
}

pub(crate) fn in_memory() -> InMemory {
    let clock = Clock::turnable();
    InMemory { store: InMemoryWebhookEventStore::new().with_clock(clock.clone()), clock }
}

impl World for InMemory {
    type Store = InMemoryWebhookEventStore;

    /// No answer of it is ever lost.
    const SETTLES_AGAIN: bool = false;

    fn store(&self) -> &Self::Store {
        &self.store
    }

    fn pass(&self, time: Duration) {
        self.clock.advance(time);
    }
}

pub(crate) struct Redis<'a> {
    store: RedisWebhookEventStore,
    server: &'a RedisServer,
}

pub(crate) async fn redis(server: &RedisServer) -> Redis<'_> {
    let store = RedisWebhookEventStore::connect(&server.url()).await.expect("the server was just started");
    Redis { store, server }
}

/// The store reads no clock but each key's time to live: shortening those is time passing.
const PASS: &str = "
for _, key in ipairs(redis.call('KEYS', '*')) do
    local left = redis.call('PTTL', key) - ARGV[1]
    if left > 0 then redis.call('PEXPIRE', key, left) else redis.call('DEL', key) end
end
return 'passed'";

impl World for Redis<'_> {
    type Store = RedisWebhookEventStore;

    const SETTLES_AGAIN: bool = true;

    fn store(&self) -> &Self::Store {
        &self.store
    }

    fn pass(&self, time: Duration) {
        let passed = self.server.command(&["EVAL", PASS, "0", &time.as_millis().to_string()]);
        assert!(passed.ends_with("passed"), "{passed}");
    }
}
