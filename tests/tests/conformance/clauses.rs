//! The clauses of the contract.

use std::time::Duration;

use futures_util::future::join_all;
use webhooks::{
    Claim, ClaimTerms, DeadReason, EventKey, Fate, Grant, ListenerFate, Settled, Settlement, SourceName,
    Token, WebhookEventStore,
};

use crate::worlds::World;

const LEASE: Duration = Duration::from_secs(30);
const DAY: Duration = Duration::from_secs(86_400);
/// Longer than any test takes and than any rounding.
const MARGIN: Duration = Duration::from_secs(10);

fn key(id: &str) -> EventKey {
    key_of("source", id)
}

fn key_of(source: &str, id: &str) -> EventKey {
    EventKey::new(&SourceName::new(source).expect("a name"), &[id.as_bytes()])
}

fn done(listener: &str) -> ListenerFate {
    ListenerFate { listener: listener.to_owned(), fate: Fate::Done }
}

fn dead(listener: &str) -> ListenerFate {
    ListenerFate { listener: listener.to_owned(), fate: Fate::Dead(DeadReason::Permanent) }
}

fn completed() -> Settlement {
    Settlement { state: Settled::Completed, settled: Vec::new(), retention: DAY }
}

fn released(settled: Vec<ListenerFate>) -> Settlement {
    Settlement { state: Settled::Released, settled, retention: DAY }
}

async fn claim(world: &impl World, key: &EventKey) -> Claim {
    world.store().claim(key, &ClaimTerms::new(LEASE, DAY)).await.expect("the store answers")
}

async fn granted(world: &impl World, key: &EventKey) -> Grant {
    match claim(world, key).await {
        Claim::Granted(grant) => grant,
        other => panic!("{other:?} where a grant was due"),
    }
}

async fn busy(world: &impl World, key: &EventKey) -> Duration {
    match claim(world, key).await {
        Claim::Busy { retry_after } => retry_after,
        other => panic!("{other:?} of a key that is held"),
    }
}

async fn settle(world: &impl World, key: &EventKey, token: Token, settlement: &Settlement) -> bool {
    world.store().settle(key, token, settlement).await.expect("the store answers")
}

async fn renew(world: &impl World, key: &EventKey, token: Token) -> bool {
    world.store().renew(key, token, LEASE).await.expect("the store answers")
}

async fn record(world: &impl World, key: &EventKey, token: Token, fate: &ListenerFate) -> bool {
    world.store().record(key, token, fate).await.expect("the store answers")
}

async fn forget(world: &impl World, key: &EventKey) -> bool {
    world.store().forget(key).await.expect("the store answers")
}

pub(crate) async fn a_key_is_granted_once(world: &impl World) {
    let key = key("1");
    let grant = granted(world, &key).await;
    assert_eq!((grant.attempt, grant.settled), (1, Vec::new()));
    world.pass(LEASE - MARGIN);
    let left = busy(world, &key).await;
    assert!(left <= MARGIN && left > MARGIN / 2, "{left:?} of the lease is said to be left");
}

pub(crate) async fn of_many_claims_at_once_one_is_granted(world: &impl World) {
    for round in 0..20 {
        let key = key(&format!("{round}"));
        let claims = join_all((0..50).map(|_| claim(world, &key))).await;
        let granted = claims.iter().filter(|claim| matches!(claim, Claim::Granted(_))).count();
        let busy = claims.iter().filter(|claim| matches!(claim, Claim::Busy { .. })).count();
        assert_eq!((granted, busy), (1, 49));
    }
}

pub(crate) async fn a_completed_key_stays_completed_for_its_retention(world: &impl World) {
    let key = key("1");
    let grant = granted(world, &key).await;
    assert!(settle(world, &key, grant.token, &completed()).await);
    world.pass(DAY - MARGIN);
    assert_eq!(claim(world, &key).await, Claim::Completed);
    world.pass(2 * MARGIN);
    assert_eq!(granted(world, &key).await.attempt, 1);
}

pub(crate) async fn a_released_key_is_granted_again_with_what_is_done(world: &impl World) {
    let key = key("1");
    let grant = granted(world, &key).await;
    let settled = vec![done("a"), dead("b")];
    assert!(settle(world, &key, grant.token, &released(settled.clone())).await);
    world.pass(DAY - MARGIN);
    let again = granted(world, &key).await;
    assert_eq!((again.attempt, again.settled), (2, settled));
    assert_ne!(again.token, grant.token);
}

pub(crate) async fn a_dead_key_is_granted_again_without_its_failures(world: &impl World) {
    let key = key("1");
    let grant = granted(world, &key).await;
    let settled = vec![done("a-done"), dead("b-dead"), done("c-done")];
    let settlement = Settlement { state: Settled::Dead, settled, retention: DAY };
    assert!(settle(world, &key, grant.token, &settlement).await);
    let again = granted(world, &key).await;
    assert_eq!((again.attempt, again.settled), (2, vec![done("a-done"), done("c-done")]));
}

pub(crate) async fn a_lapsed_claim_passes_to_the_next(world: &impl World) {
    let key = key("1");
    granted(world, &key).await;
    world.pass(LEASE + MARGIN);
    assert_eq!(granted(world, &key).await.attempt, 2);
    busy(world, &key).await;
}

pub(crate) async fn token_not_reused(world: &impl World) {
    let key = key("1");
    let first = granted(world, &key).await;
    world.pass(LEASE + MARGIN);
    let second = granted(world, &key).await;
    assert!(!settle(world, &key, first.token, &completed()).await);
    assert!(!settle(world, &key, first.token, &released(vec![done("a")])).await);
    assert!(!renew(world, &key, first.token).await);
    assert!(!record(world, &key, first.token, &done("a")).await);
    busy(world, &key).await;
    assert!(settle(world, &key, second.token, &released(Vec::new())).await);
    assert_eq!(granted(world, &key).await.settled, Vec::new());
}

pub(crate) async fn a_renewed_lease_lasts(world: &impl World) {
    let key = key("1");
    let grant = granted(world, &key).await;
    for _ in 0..3 {
        world.pass(LEASE - MARGIN);
        assert!(renew(world, &key, grant.token).await);
    }
    assert!(busy(world, &key).await > LEASE - MARGIN);
    assert!(settle(world, &key, grant.token, &completed()).await);
    assert!(!renew(world, &key, grant.token).await, "a claim that was given up cannot be renewed");
}

pub(crate) async fn a_renewed_claim_is_not_forgotten(world: &impl World) {
    let key = key("1");
    let grant = granted(world, &key).await;
    world.pass(DAY - MARGIN);
    // Nobody else has asked, so that it is still the first one's.
    assert!(renew(world, &key, grant.token).await);
    world.pass(DAY - MARGIN);
    assert_eq!(granted(world, &key).await.attempt, 2, "its last sign of life is less than its retention ago");
    world.pass(DAY + MARGIN);
    assert_eq!(granted(world, &key).await.attempt, 1, "its last sign of life is more than its retention ago");
}

pub(crate) async fn the_longer_of_lease_and_retention_counts(world: &impl World) {
    let key = key("1");
    let terms = ClaimTerms::new(LEASE, Duration::from_secs(1));
    let claimed = world.store().claim(&key, &terms).await.expect("the store answers");
    assert!(matches!(claimed, Claim::Granted(_)));
    world.pass(LEASE - MARGIN);
    busy(world, &key).await;
}

pub(crate) async fn a_renewal_for_longer_than_the_retention_keeps_the_record(world: &impl World) {
    let key = key("1");
    let grant = granted(world, &key).await;
    assert!(world.store().renew(&key, grant.token, 2 * DAY).await.expect("the store answers"));
    world.pass(2 * DAY - MARGIN);
    assert!(busy(world, &key).await <= MARGIN);
    assert!(settle(world, &key, grant.token, &completed()).await);
}

/// Nobody need remember how long is too long.
pub(crate) async fn the_longest_times_are_no_mistake(world: &impl World) {
    world.pass(DAY);
    let (key, store) = (key("1"), world.store());
    let terms = ClaimTerms::new(Duration::MAX, Duration::MAX);
    let Claim::Granted(grant) = store.claim(&key, &terms).await.expect("the store answers") else {
        panic!("a grant was due")
    };
    busy(world, &key).await;
    assert!(store.renew(&key, grant.token, Duration::MAX).await.expect("the store answers"));
    let settlement = Settlement { retention: Duration::MAX, ..completed() };
    assert!(settle(world, &key, grant.token, &settlement).await);
    world.pass(DAY);
    assert_eq!(claim(world, &key).await, Claim::Completed);
}

pub(crate) async fn recorded_listeners_outlive_their_attempt(world: &impl World) {
    let key = key("1");
    let grant = granted(world, &key).await;
    assert!(record(world, &key, grant.token, &done("a")).await);
    assert!(renew(world, &key, grant.token).await);
    assert!(record(world, &key, grant.token, &dead("b")).await);
    world.pass(LEASE + MARGIN);
    assert_eq!(granted(world, &key).await.settled, vec![done("a"), dead("b")]);
}

pub(crate) async fn three_attempts_that_never_settle_make_a_key_dead(world: &impl World) {
    let key = key("1");
    for attempt in 1..=3 {
        let grant = granted(world, &key).await;
        assert_eq!(grant.attempt, attempt);
        assert!(record(world, &key, grant.token, &done(&format!("{attempt}"))).await);
        world.pass(LEASE + MARGIN);
    }
    assert_eq!(claim(world, &key).await, Claim::CrashLoop { attempts: 3 });
    let again = granted(world, &key).await;
    assert_eq!((again.attempt, again.settled), (4, vec![done("1"), done("2"), done("3")]));
}

pub(crate) async fn a_settled_attempt_starts_the_count_again(world: &impl World) {
    let key = key("1");
    for _ in 0..4 {
        granted(world, &key).await;
        world.pass(LEASE + MARGIN);
        granted(world, &key).await;
        world.pass(LEASE + MARGIN);
        let third = granted(world, &key).await;
        assert!(settle(world, &key, third.token, &released(Vec::new())).await);
    }
}

pub(crate) async fn forgetting_spares_a_live_claim(world: &impl World) {
    let key = key("1");
    assert!(!forget(world, &key).await, "there is nothing to forget");
    let grant = granted(world, &key).await;
    assert!(!forget(world, &key).await, "it is live");
    assert!(settle(world, &key, grant.token, &completed()).await);
    assert!(forget(world, &key).await);
    let grant = granted(world, &key).await;
    assert_eq!(grant.attempt, 1);
    world.pass(LEASE + MARGIN);
    assert!(forget(world, &key).await, "its lease has run out");
    assert!(!settle(world, &key, grant.token, &completed()).await);
}

pub(crate) async fn keys_of_two_sources_are_strangers(world: &impl World) {
    granted(world, &key_of("one", "1")).await;
    granted(world, &key_of("two", "1")).await;
}

pub(crate) async fn a_listeners_name_may_hold_anything_printable(world: &impl World) {
    let key = key("1");
    let names = ["-", "+", "a|b", "a b - c", "{a}:b", "1c", "%d+", "größer", "-permanent x"];
    let grant = granted(world, &key).await;
    for name in names {
        assert!(record(world, &key, grant.token, &done(name)).await);
    }
    assert!(renew(world, &key, grant.token).await);
    world.pass(LEASE + MARGIN);
    let expected: Vec<_> = names.into_iter().map(done).collect();
    let again = granted(world, &key).await;
    assert_eq!(again.settled, expected);
    let settlement = Settlement { state: Settled::Dead, settled: expected.clone(), retention: DAY };
    assert!(settle(world, &key, again.token, &settlement).await);
    assert_eq!(granted(world, &key).await.settled, expected);
}

pub(crate) async fn a_strangers_token_changes_nothing(world: &impl World) {
    let key = key("1");
    assert!(!settle(world, &key, Token::random(), &completed()).await, "there is no such key");
    assert_eq!(granted(world, &key).await.attempt, 1);
    assert!(!settle(world, &key, Token::random(), &completed()).await);
    assert!(!record(world, &key, Token::random(), &done("a")).await);
    assert!(!renew(world, &key, Token::random()).await);
    busy(world, &key).await;
}
