//! Stores that answer late, that panic, or that the event has passed on from.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use support::inside::{Post, reason};
use support::process::PATIENCE;
use support::scripted::{Count, Gate, listener};
use support::{sample, sign};
use tokio::time::timeout;
use webhooks::{
    Builder, Claim, ClaimTerms, EventKey, InMemoryWebhookEventStore, ListenerFate, Settlement, StoreError,
    Token, WebhookEventStore, Webhooks,
};

/// A store in memory with some latency, and its troubles.
#[derive(Debug)]
struct Slow {
    store: InMemoryWebhookEventStore,
    trouble: Trouble,
}

#[derive(Debug)]
enum Trouble {
    /// A note is never answered; told is that it was asked for.
    Notes(Count),
    /// Each renewal is told of and refused, and so is the settlement: the event is another's.
    PassedOn(Mutex<Sender<()>>),
    /// Claims panic.
    Panics,
    /// The first renewal panics; told is of each.
    RenewalPanics(Count),
}

impl WebhookEventStore for Slow {
    async fn claim(&self, key: &EventKey, terms: &ClaimTerms) -> Result<Claim, StoreError> {
        assert!(!matches!(self.trouble, Trouble::Panics), "as a store must not");
        self.store.claim(key, terms).await
    }

    async fn renew(&self, key: &EventKey, token: Token, lease: Duration) -> Result<bool, StoreError> {
        if let Trouble::PassedOn(told) = &self.trouble {
            let _ = told.lock().expect("nobody panics in here").send(());
            return Ok(false);
        }
        if let Trouble::RenewalPanics(asked) = &self.trouble {
            asked.add();
            assert!(asked.get() > 1, "as a store must not");
        }
        self.store.renew(key, token, lease).await
    }

    async fn record(&self, key: &EventKey, token: Token, fate: &ListenerFate) -> Result<bool, StoreError> {
        if let Trouble::Notes(asked) = &self.trouble {
            asked.add();
            std::future::pending::<()>().await;
        }
        self.store.record(key, token, fate).await
    }

    async fn settle(
        &self,
        key: &EventKey,
        token: Token,
        settlement: &Settlement,
    ) -> Result<bool, StoreError> {
        tokio::time::sleep(Duration::from_millis(50)).await;
        match self.trouble {
            Trouble::PassedOn(_) => Ok(false),
            Trouble::Notes(_) | Trouble::Panics | Trouble::RenewalPanics(_) => {
                self.store.settle(key, token, settlement).await
            }
        }
    }

    async fn forget(&self, key: &EventKey) -> Result<bool, StoreError> {
        self.store.forget(key).await
    }
}

fn builder(settings: &str, trouble: Trouble) -> Builder {
    let builder = Webhooks::builder().settings(settings.parse().expect("settings"));
    let builder = builder.source("hmac", |source| source.secret(sample::secret("hmac")));
    builder.store(Slow { store: InMemoryWebhookEventStore::new(), trouble })
}

fn event() -> Post {
    let body = br#"{"type":"test"}"#;
    Post::to("hmac").headers(sign::hmac(sample::secret("hmac"), "1", body)).body(body)
}

#[tokio::test]
async fn a_slow_store_holds_up_no_listener() {
    let (asked, gate) = (Count::new(), Gate::closed());
    let held = gate.clone();
    let slow = listener("slow", move |_| {
        let held = held.clone();
        async move {
            held.pass().await;
            Ok(())
        }
    });
    let quick = listener("quick", |_| async { Ok(()) });
    let builder = builder("", Trouble::Notes(asked.clone())).listener(quick).listener(slow);
    let webhooks = Arc::new(builder.build().await.unwrap_or_else(|error| panic!("{error}")));
    let opened = async {
        asked.reach(1).await;
        gate.open();
    };
    let both = async { tokio::join!(webhooks.process(event().into_request()), opened) };
    let (reply, ()) = timeout(PATIENCE, both).await.expect("nothing waits for the note");
    assert_eq!(reply.status, 200);
    assert_eq!(webhooks.process(event().into_request()).await.status, 200);
}

/// As after a pause of the whole process: the run ends and finds that its lease is long over.
#[tokio::test]
async fn a_lapsed_lease_is_still_asked_about() {
    let (told, renewals) = channel();
    let renewals = Mutex::new(renewals);
    let blocks = listener("work", move |_| {
        // The second refusal shows that the first was taken in. Blocked, the run cannot be cancelled before.
        for _ in 0..2 {
            let told = renewals.lock().expect("nobody panics in here").recv_timeout(PATIENCE);
            told.expect("renewals go on");
        }
        async { Ok(()) }
    });
    let builder =
        builder("idempotency.lease = \"300ms\"", Trouble::PassedOn(Mutex::new(told))).listener(blocks);
    let webhooks = builder.build().await.unwrap_or_else(|error| panic!("{error}"));
    let reply = webhooks.process(event().into_request()).await;
    assert_eq!((reply.status.as_u16(), &*reason(&reply)), (503, "lease_lost"));
    let (_, report) = webhooks.handle().processor().report().remove(0);
    assert_eq!(report.lease_lost, 1);
}

#[tokio::test]
async fn a_store_that_panics_is_unavailable() {
    let builder = builder("", Trouble::Panics).listener(listener("work", |_| async { Ok(()) }));
    let webhooks = builder.build().await.unwrap_or_else(|error| panic!("{error}"));
    for _ in 0..2 {
        let reply = webhooks.process(event().into_request()).await;
        assert_eq!((reply.status.as_u16(), &*reason(&reply)), (503, "store_unavailable"));
    }
}

#[tokio::test]
async fn a_renewal_that_panics_is_asked_for_again() {
    let renewals = Count::new();
    let asked = renewals.clone();
    let work = listener("work", move |_| {
        let asked = asked.clone();
        async move {
            asked.reach(3).await;
            Ok(())
        }
    });
    let trouble = Trouble::RenewalPanics(renewals);
    let webhooks = builder("idempotency.lease = \"3s\"", trouble).listener(work).build().await;
    let webhooks = webhooks.unwrap_or_else(|error| panic!("{error}"));
    let reply = timeout(PATIENCE, webhooks.process(event().into_request())).await.expect("renewals go on");
    assert_eq!(reply.status, 200);
}
