//! Connections that fall silent without being closed, and answers that are lost on them.

use std::time::Duration;

use futures_util::future::join_all;
use support::process::PATIENCE;
use support::redis_server::Options;
use support::relay::Relay;
use support::scripted::{Count, Shared, listener};
use tokio::time::timeout;
use webhooks::{
    Claim, ClaimTerms, Fate, Grant, ListenerFate, RedisWebhookEventStore, Settled, Settlement, Token,
    WebhookEventListener, WebhookEventStore,
};

use crate::common::{
    assembled, claim, completed, connect, counting, deliver, deliver_until_taken, key, released, terms,
    token, with, with_store,
};

const LEASE: &str = "1800ms";
const LONGER_THAN_A_LEASE: Duration = Duration::from_millis(2_100);

/// A listener that takes longer than a lease.
fn lingering() -> impl WebhookEventListener {
    listener("work", |_| async {
        tokio::time::sleep(LONGER_THAN_A_LEASE).await;
        Ok(())
    })
}

pub(crate) async fn a_connection_that_falls_silent_is_replaced(server: Options) {
    let server = server.start();
    let relay = Relay::to(server.address()).await;
    let runs = Count::new();
    let webhooks = with_store(&relay.redis_url(), "10m", counting(&runs)).await;
    assert_eq!(deliver(&webhooks, "evt_1").await.status, 200);
    relay.forget_connections();
    assert_eq!(deliver(&webhooks, "evt_2").await.status, 503);
    deliver_until_taken(&webhooks, "evt_2").await;
    assert_eq!(runs.get(), 2);
}

pub(crate) async fn a_run_outlives_the_connection_that_renews_its_lease(server: Options) {
    const OF_RENEWALS: u64 = 1;
    let server = server.start();
    let relay = Relay::to(server.address()).await;
    let webhooks = with_store(&relay.redis_url(), LEASE, lingering()).await;
    assert_eq!(deliver(&webhooks, "evt_1").await.status, 200);
    relay.forget_connection(OF_RENEWALS);
    assert_eq!(deliver(&webhooks, "evt_2").await.status, 200);
}

pub(crate) async fn two_instances_share_a_store(server: Options) {
    let server = server.start();
    let store = Shared::new(connect(&server.url()).await);
    let first = with(store.clone(), LEASE, lingering()).await;
    let second = with(store, LEASE, lingering()).await;
    // Each renews leases from a thread of its own; that of the first has nothing to do any more.
    assert_eq!(deliver(&first, "evt_1").await.status, 200);
    assert_eq!(deliver(&second, "evt_2").await.status, 200);
}

pub(crate) async fn listeners_that_end_together_leave_the_connection_alone(server: Options) {
    const DELIVERIES: usize = 20;
    let server = server.start();
    let runs = Count::new();
    let also = runs.clone();
    let second = listener("also", move |_| {
        also.add();
        async { Ok(()) }
    });
    let store = connect(&server.url()).await;
    let webhooks =
        assembled(store, LEASE, |builder| builder.listener(counting(&runs)).listener(second)).await;
    assert_eq!(deliver(&webhooks, "evt_0").await.status, 200);
    let connected = || -> usize {
        let stats = server.command(&["INFO", "stats"]);
        let count = stats.lines().find_map(|it| it.trim().strip_prefix("total_connections_received:"));
        count.expect("a count").parse().expect("a number")
    };

    let before = connected();
    for number in 1..=DELIVERIES {
        assert_eq!(deliver(&webhooks, &format!("evt_{number}")).await.status, 200);
    }

    assert_eq!(runs.get(), 2 * (DELIVERIES + 1));
    assert_eq!(connected() - before, 1, "the one that asks");
}

/// The claim, as soon as nobody has it.
async fn granted(store: &RedisWebhookEventStore, id: &str, terms: &ClaimTerms) -> Grant {
    let granted = async {
        loop {
            match store.claim(&key(id), terms).await.expect("an answer") {
                Claim::Granted(grant) => return grant,
                Claim::Busy { .. } => tokio::time::sleep(Duration::from_millis(5)).await,
                other => panic!("{other:?} of a key that nobody runs"),
            }
        }
    };
    timeout(PATIENCE, granted).await.expect("the claim is taken back")
}

pub(crate) async fn a_claim_that_was_granted_unheard_does_not_count(server: Options) {
    let server = server.start();
    let relay = Relay::to(server.address()).await;
    let store = connect(&relay.redis_url()).await;
    let earlier = token(&store, "2").await;
    let done = vec![ListenerFate { listener: "a".to_owned(), fate: Fate::Done }];
    assert!(store.settle(&key("2"), earlier, &released(done.clone())).await.expect("an answer"));
    relay.lose_answers();
    let (fresh, again) = tokio::join!(claim(&store, "1"), claim(&store, "2"));
    assert!(fresh.is_err() && again.is_err());

    // With this cap, a first attempt that counts as one that never settled makes the key dead.
    let mut once = terms();
    once.max_unsettled = 1;
    let fresh = granted(&store, "1", &once).await;
    assert_eq!((fresh.attempt, fresh.settled), (1, Vec::new()));
    let again = granted(&store, "2", &once).await;
    assert_eq!((again.attempt, again.settled), (2, done));
}

pub(crate) async fn a_settlement_that_was_not_heard_of_is_known_again(server: Options) {
    let server = server.start();
    let relay = Relay::to(server.address()).await;
    let store = connect(&relay.redis_url()).await;
    // The server has the script: what is sent next is the settlement itself.
    let before = token(&store, "before").await;
    assert!(store.settle(&key("before"), before, &completed()).await.expect("an answer"));
    let dead = Settlement { state: Settled::Dead, ..released(Vec::new()) };
    let mut settlements = Vec::new();
    for (id, settlement) in [("1", completed()), ("2", released(Vec::new())), ("3", dead)] {
        settlements.push((key(id), token(&store, id).await, settlement));
    }
    relay.lose_answers();
    let unheard = settlements.iter().map(|(key, token, settlement)| store.settle(key, *token, settlement));
    assert!(join_all(unheard).await.iter().all(Result::is_err));
    for (key, token, settlement) in &settlements {
        assert!(store.settle(key, *token, settlement).await.expect("an answer"));
        assert!(!store.settle(key, Token::random(), settlement).await.expect("an answer"));
    }
    assert_eq!(claim(&store, "1").await.expect("an answer"), Claim::Completed);
    assert_eq!(granted(&store, "2", &terms()).await.attempt, 2);
}
