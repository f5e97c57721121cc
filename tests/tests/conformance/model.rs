//! A store is compared with a model of a screen's length over random interleavings of everything that can happen.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use support::redis_server::RedisServer;
use webhooks::{
    Claim, ClaimTerms, DeadReason, EventKey, Fate, ListenerFate, Settled, Settlement, SourceName, Token,
    WebhookEventStore,
};

use crate::worlds::{self, World};

/// Time passes in steps of four seconds and ends of leases and retentions lie between two: real time, of which some
/// passes too, decides nothing.
const LEASE: u64 = 10;
const CLAIM_KEPT: u64 = 102;
const SETTLED_KEPT: [u64; 2] = [54, 202];
const STEPS: [u64; 5] = [4, 8, 12, 48, 104];

#[derive(Debug, Clone)]
enum Step {
    Claim { key: usize },
    Renew { key: usize, token: usize },
    Record { key: usize, token: usize, fate: ListenerFate },
    Settle { key: usize, token: usize, settlement: Settlement },
    Forget { key: usize },
    Pass { seconds: u64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = 0..2usize;
    // Counted from the latest grant: mostly its own token, sometimes that of an earlier one.
    let token = || prop_oneof![4 => Just(0usize), 1 => Just(1), 1 => Just(2)];
    let fate = || {
        let listener = prop::sample::select(vec!["a", "b-2", "c d"]);
        let fate = prop_oneof![2 => Just(Fate::Done), 1 => Just(Fate::Dead(DeadReason::Permanent))];
        (listener, fate).prop_map(|(listener, fate)| ListenerFate { listener: listener.to_owned(), fate })
    };
    let settlement = (
        prop::sample::select(vec![Settled::Completed, Settled::Released, Settled::Dead]),
        prop::collection::vec(fate(), 0..3),
        prop::sample::select(SETTLED_KEPT.to_vec()),
    )
        .prop_map(|(state, settled, kept)| Settlement {
            state,
            settled: if state == Settled::Completed { Vec::new() } else { settled },
            retention: Duration::from_secs(kept),
        });
    let step = prop_oneof![
        6 => key.clone().prop_map(|key| Step::Claim { key }),
        2 => (key.clone(), token()).prop_map(|(key, token)| Step::Renew { key, token }),
        2 => (key.clone(), token(), fate()).prop_map(|(key, token, fate)| Step::Record { key, token, fate }),
        3 => (key.clone(), token(), settlement)
            .prop_map(|(key, token, settlement)| Step::Settle { key, token, settlement }),
        1 => key.prop_map(|key| Step::Forget { key }),
        4 => prop::sample::select(STEPS.to_vec()).prop_map(|seconds| Step::Pass { seconds }),
    ];
    prop::collection::vec(step, 1..60)
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    /// Held by the `n`th grant until then.
    Live {
        grant: usize,
        until: u64,
    },
    Settled(Settled),
}

#[derive(Debug, Clone)]
struct Record {
    state: State,
    attempt: u32,
    unsettled: u32,
    settled: Vec<ListenerFate>,
    /// The grant that was settled, unless there has been another since.
    settled_by: Option<usize>,
    kept: u64,
    expires: u64,
}

/// What a claim must be answered, the token apart.
#[derive(Debug, PartialEq)]
enum Answer {
    Granted { attempt: u32, settled: Vec<ListenerFate> },
    Busy { seconds: u64 },
    Completed,
    CrashLoop { attempts: u32 },
}

#[derive(Debug, Default)]
struct Model {
    now: u64,
    records: [Option<Record>; 2],
    grants: [usize; 2],
}

impl Model {
    fn claim(&mut self, key: usize) -> Answer {
        self.drop_expired();
        let now = self.now;
        let mut record = self.records[key].take().unwrap_or(Record {
            state: State::Settled(Settled::Released),
            attempt: 0,
            unsettled: 0,
            settled: Vec::new(),
            settled_by: None,
            kept: CLAIM_KEPT,
            expires: 0,
        });
        let answer = match record.state {
            State::Live { until, .. } if until > now => Answer::Busy { seconds: until - now },
            State::Settled(Settled::Completed) => Answer::Completed,
            State::Live { .. } if record.unsettled == ClaimTerms::MAX_UNSETTLED => {
                record.state = State::Settled(Settled::Dead);
                record.unsettled = 0;
                Answer::CrashLoop { attempts: record.attempt }
            }
            before => {
                if before == State::Settled(Settled::Dead) {
                    record.settled.retain(|it| it.fate == Fate::Done);
                }
                record.attempt += 1;
                record.unsettled += 1;
                record.settled_by = None;
                record.state = State::Live { grant: self.grants[key], until: now + LEASE };
                self.grants[key] += 1;
                Answer::Granted { attempt: record.attempt, settled: record.settled.clone() }
            }
        };
        if matches!(answer, Answer::Granted { .. } | Answer::CrashLoop { .. }) {
            record.kept = CLAIM_KEPT;
            record.expires = now + record.kept;
        }
        self.records[key] = Some(record);
        answer
    }

    /// The record, if the `token`th grant before the latest is the one that holds it.
    fn held(&mut self, key: usize, token: usize) -> Option<&mut Record> {
        self.drop_expired();
        let asking = self.grants[key].checked_sub(token + 1)?;
        let held = |it: &&mut Record| matches!(it.state, State::Live { grant, .. } if grant == asking);
        self.records[key].as_mut().filter(held)
    }

    fn renew(&mut self, key: usize, token: usize) -> bool {
        let now = self.now;
        let Some(record) = self.held(key, token) else { return false };
        if let State::Live { until, .. } = &mut record.state {
            *until = now + LEASE;
        }
        record.expires = now + record.kept;
        true
    }

    fn record(&mut self, key: usize, token: usize, fate: &ListenerFate) -> bool {
        self.held(key, token).map(|record| record.settled.push(fate.clone())).is_some()
    }

    fn settle(&mut self, key: usize, token: usize, settlement: &Settlement) -> bool {
        let expires = self.now + settlement.retention.as_secs();
        let grant = self.grants[key].checked_sub(token + 1);
        let Some(record) = self.held(key, token) else { return false };
        record.state = State::Settled(settlement.state);
        record.settled_by = grant;
        record.unsettled = 0;
        record.settled.clone_from(&settlement.settled);
        record.expires = expires;
        true
    }

    /// Whether the key is as this settlement left it.
    fn is_settled_so(&mut self, key: usize, token: usize, settlement: &Settlement) -> bool {
        self.drop_expired();
        let grant = self.grants[key].checked_sub(token + 1);
        let same = |it: &Record| it.settled_by == grant && it.state == State::Settled(settlement.state);
        grant.is_some() && self.records[key].as_ref().is_some_and(same)
    }

    fn forget(&mut self, key: usize) -> bool {
        self.drop_expired();
        let now = self.now;
        let live = |it: &Record| matches!(it.state, State::Live { until, .. } if until > now);
        if self.records[key].as_ref().is_some_and(live) { false } else { self.records[key].take().is_some() }
    }

    fn drop_expired(&mut self) {
        for record in &mut self.records {
            if record.as_ref().is_some_and(|it| it.expires < self.now) {
                *record = None;
            }
        }
    }
}

/// The store under test, and the tokens it gave out.
struct Subject<'a, W> {
    world: &'a W,
    keys: [EventKey; 2],
    tokens: [Vec<Token>; 2],
}

impl<W: World> Subject<'_, W> {
    async fn claim(&mut self, key: usize) -> Answer {
        let terms = ClaimTerms::new(Duration::from_secs(LEASE), Duration::from_secs(CLAIM_KEPT));
        match self.world.store().claim(&self.keys[key], &terms).await.expect("the store answers") {
            Claim::Granted(grant) => {
                self.tokens[key].push(grant.token);
                Answer::Granted { attempt: grant.attempt, settled: grant.settled }
            }
            Claim::Busy { retry_after } => {
                Answer::Busy { seconds: (retry_after.as_secs_f64() / 2.0).ceil() as u64 * 2 }
            }
            Claim::Completed => Answer::Completed,
            Claim::CrashLoop { attempts } => Answer::CrashLoop { attempts },
        }
    }

    /// The `token`th token before the latest, or anyone's.
    fn token(&self, key: usize, token: usize) -> Token {
        self.tokens[key].iter().rev().nth(token).copied().unwrap_or_else(Token::random)
    }

    async fn take(&mut self, step: &Step, model: &mut Model) {
        let store = self.world.store();
        let answers = "the store answers";
        match step {
            Step::Claim { key } => assert_eq!(self.claim(*key).await, model.claim(*key)),
            Step::Renew { key, token } => {
                let lease = Duration::from_secs(LEASE);
                let renewed = store.renew(&self.keys[*key], self.token(*key, *token), lease).await;
                assert_eq!(renewed.expect(answers), model.renew(*key, *token));
            }
            Step::Record { key, token, fate } => {
                let recorded = store.record(&self.keys[*key], self.token(*key, *token), fate).await;
                assert_eq!(recorded.expect(answers), model.record(*key, *token, fate));
            }
            Step::Settle { key, token, settlement } => {
                let settled = store.settle(&self.keys[*key], self.token(*key, *token), settlement).await;
                let again = W::SETTLES_AGAIN && model.is_settled_so(*key, *token, settlement);
                assert_eq!(settled.expect(answers), again || model.settle(*key, *token, settlement));
            }
            Step::Forget { key } => {
                let forgotten = store.forget(&self.keys[*key]).await;
                assert_eq!(forgotten.expect(answers), model.forget(*key));
            }
            Step::Pass { seconds } => {
                self.world.pass(Duration::from_secs(*seconds));
                model.now += seconds;
            }
        }
    }
}

async fn follow(world: &impl World, steps: &[Step]) {
    let source = SourceName::new("source").expect("a name");
    let key = |name: &[u8]| EventKey::new(&source, &[name]);
    let mut subject = Subject { world, keys: [key(b"one"), key(b"two")], tokens: [Vec::new(), Vec::new()] };
    let mut model = Model::default();
    for step in steps {
        subject.take(step, &mut model).await;
    }
}

fn check(cases: u32, case: impl Fn(&[Step])) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&steps(), |steps| {
        case(&steps);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Each case in a world of its own.
pub(crate) fn compare<W: World>(cases: u32, world: impl Fn() -> W) {
    let runtime = runtime();
    check(cases, |steps| runtime.block_on(follow(&world(), steps)));
}

/// All cases on one connection.
pub(crate) fn compare_connected(cases: u32, server: &RedisServer) {
    let runtime = runtime();
    let world = runtime.block_on(worlds::redis(server));
    check(cases, |steps| {
        server.command(&["FLUSHALL"]);
        runtime.block_on(follow(&world, steps));
    });
}
