//! An engine is compared with the model over random interleavings of everything that can happen.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::model::{self, LEASE, LISTENERS, MAX_ATTEMPTS, Model, Name, Which};
use super::world::{World, entry, failed, parcel};
use crate::inbox::record::{RunState, Selection};
use crate::inbox::{Claimed, End, Fence, Wanted, WantedListener};
use crate::listener::options::OnDead;
use crate::store::DeadReason;

const EVENTS: usize = 5;

#[derive(Debug, Clone)]
enum Step {
    Put { ids: Vec<usize> },
    Claim { limit: usize, each: [usize; LISTENERS.len()], idle: bool },
    Renew { claim: usize },
    Settle { claim: usize, end: End },
    Replay { which: Which },
    Forget { which: Which },
    ForgetEvent { id: usize },
    Pass { seconds: u64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Counted from the latest one: mostly one of the last few.
    let claim = || prop_oneof![6 => 0..3usize, 1 => 0..10usize];
    let limit = prop_oneof![3 => Just(50), 1 => 1..4usize];
    let each = prop::array::uniform3(prop_oneof![4 => Just(50), 1 => 0..3usize]);
    let retry = |seconds| End::Retry { delay: Duration::from_secs(seconds), error: "again".to_owned() };
    let end = prop_oneof![
        4 => Just(End::Done),
        2 => prop::sample::select(vec![0, 6, 26]).prop_map(retry),
        2 => Just(failed()),
        1 => Just(End::Released),
    ];
    let state = prop::sample::select(vec![RunState::Pending, RunState::Done, RunState::Dead]);
    let reason = prop::sample::select(vec![DeadReason::Permanent, DeadReason::CrashLoop]);
    let which = || {
        prop_oneof![
            1 => Just(Which::All),
            3 => (0..EVENTS).prop_map(Which::Event),
            2 => (0..LISTENERS.len()).prop_map(Which::Listener),
            4 => state.clone().prop_map(Which::State),
            1 => reason.clone().prop_map(Which::Reason),
        ]
    };
    let step = prop_oneof![
        4 => prop::sample::subsequence((0..EVENTS).collect::<Vec<_>>(), 1..4)
            .prop_shuffle()
            .prop_map(|ids| Step::Put { ids }),
        8 => (limit, each, prop::bool::weighted(0.8))
            .prop_map(|(limit, each, idle)| Step::Claim { limit, each, idle }),
        2 => claim().prop_map(|claim| Step::Renew { claim }),
        8 => (claim(), end).prop_map(|(claim, end)| Step::Settle { claim, end }),
        2 => which().prop_map(|which| Step::Replay { which }),
        1 => which().prop_map(|which| Step::Forget { which }),
        1 => (0..EVENTS).prop_map(|id| Step::ForgetEvent { id }),
        4 => prop::sample::select(vec![4, 8, 12, 28]).prop_map(|seconds| Step::Pass { seconds }),
    ];
    prop::collection::vec(step, 1..60)
}

/// The engine under test, the model beside it, and the claims that were granted.
struct Subject<'w> {
    world: &'w World,
    model: Model,
    claims: Vec<(Fence, Name)>,
}

impl Subject<'_> {
    async fn take(&mut self, step: &Step) {
        let inbox = &self.world.inbox;
        match step {
            Step::Put { ids } => {
                let entries = ids.iter().map(|id| {
                    let key = Some(model::order_key(*id));
                    entry(&id.to_string(), &[(LISTENERS[0], None), (LISTENERS[1], key), (LISTENERS[2], key)])
                });
                let put = inbox.put(parcel(entries.collect())).await.unwrap();
                assert_eq!(put, self.model.put(ids));
            }
            Step::Claim { limit, each, idle } => {
                self.claim(*limit, *each, *idle).await;
            }
            Step::Renew { claim } => {
                let Some((number, fence, name)) = self.claimed(*claim) else { return };
                let renewed = inbox.renew(fence, Duration::from_secs(LEASE)).await.unwrap();
                assert_eq!(renewed, self.model.renew(name, number));
            }
            Step::Settle { claim, end } => {
                let Some((number, fence, name)) = self.claimed(*claim) else { return };
                let settled = inbox.settle(fence, end.clone()).await.unwrap();
                assert_eq!(settled, self.model.settle(name, number, end));
            }
            Step::Replay { which } => {
                assert_eq!(inbox.replay(selection(*which)).await.unwrap(), self.model.replay(*which));
            }
            Step::Forget { which } => {
                assert_eq!(inbox.discard(selection(*which)).await.unwrap(), self.model.discard(*which));
            }
            Step::ForgetEvent { id } => {
                let key = entry(&id.to_string(), &[]).key;
                assert_eq!(inbox.forget_event(key).await.unwrap(), self.model.forget_event(*id));
            }
            Step::Pass { seconds } => {
                self.world.pass(Duration::from_secs(*seconds), Duration::from_secs(LEASE)).await;
                self.model.now += seconds;
            }
        }
        self.compare_counts().await;
    }

    /// A process has the same listeners all the time, though not always room for each.
    async fn claim(&mut self, limit: usize, each: [usize; LISTENERS.len()], idle: bool) -> Claimed {
        let wanted = Wanted {
            listeners: LISTENERS.iter().zip(each).map(|(listener, room)| wanted(listener, room)).collect(),
            limit,
            lease: Duration::from_secs(LEASE),
            idle,
        };
        let claimed = self.world.inbox.claim(wanted).await.unwrap();
        self.model.claim(&claimed, limit, each, idle, self.claims.len());
        self.claims.extend(claimed.runs.iter().map(|run| (run.fence, model::name(run))));
        claimed
    }

    /// A claim that was granted, and its number.
    fn claimed(&self, back: usize) -> Option<(usize, Fence, Name)> {
        let number = self.claims.len().checked_sub(back + 1)?;
        let (fence, name) = self.claims[number];
        Some((number, fence, name))
    }

    async fn compare_counts(&self) {
        let counts = self.world.inbox.counts().await.unwrap();
        for (at, listener) in LISTENERS.iter().enumerate() {
            let found = counts.iter().find(|it| it.listener == *listener);
            let found = found.map_or((0, 0), |it| (it.pending, it.dead));
            assert_eq!(found, self.model.counts(at), "{listener}");
        }
    }

    /// Every event, as an operator sees it.
    async fn compare_all(&mut self) {
        let listed = self.world.inbox.list(Selection::new()).await.unwrap();
        assert_eq!(listed.len(), self.model.events.len());
        for summary in listed {
            let record = self.world.inbox.show(summary.number).await.unwrap().unwrap();
            let id = summary.event_id.as_deref().and_then(|id| id.parse().ok()).unwrap();
            assert_eq!((record.runs.len(), record.body_bytes), (self.model.events[&id].runs.len(), Some(5)));
            for found in record.runs {
                let run = self.model.run((id, model::place(&found.listener)));
                let is_done = run.state == RunState::Done;
                let attempts = run.failures + u32::from(is_done || run.held.is_some());
                assert_eq!((found.state, found.is_replay), (run.state, run.is_replay), "{found:?}");
                assert_eq!((found.attempts, found.is_under_way), (attempts, run.held.is_some()), "{found:?}");
                assert_eq!(found.reason.as_deref(), run.reason.map(DeadReason::code), "{found:?}");
            }
        }
    }

    /// Everything that waits for nothing but time comes to its end.
    async fn work_off(&mut self) {
        const ROUNDS: usize = 200;
        for _ in 0..ROUNDS {
            self.take(&Step::Pass { seconds: 28 }).await;
            let claimed = self.claim(50, [50; LISTENERS.len()], true).await;
            for back in 0..claimed.runs.len() {
                self.take(&Step::Settle { claim: back, end: End::Done }).await;
            }
            let names = self.model.names();
            let waits = |name: &Name| {
                self.model.events[&name.0].runs[&name.1].state == RunState::Pending
                    && !self.model.is_stuck(*name)
            };
            if !names.iter().any(waits) {
                return;
            }
        }
        panic!("it does not come to an end: {:?}", self.model);
    }
}

fn selection(which: Which) -> Selection {
    match which {
        Which::All => Selection::new(),
        Which::Event(id) => Selection::new().event_id(id.to_string()),
        Which::Listener(at) => Selection::new().listener(LISTENERS[at]),
        Which::State(state) => Selection::new().state(state),
        Which::Reason(reason) => Selection::new().reason(reason),
    }
}

fn wanted(listener: &str, limit: usize) -> WantedListener {
    let order = Some(if listener == "blocks" { OnDead::Block } else { OnDead::Skip });
    WantedListener { id: listener.into(), limit, order, max_attempts: MAX_ATTEMPTS }
}

/// Compares over so many random cases, all of them in one world, which each finds empty.
pub(super) fn compare(runtime: &tokio::runtime::Runtime, world: &World, cases: u32) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&steps(), |steps| {
        runtime.block_on(async {
            world.inbox.discard(Selection::new()).await.unwrap();
            let mut subject = Subject { world, model: Model::default(), claims: Vec::new() };
            for step in &steps {
                subject.take(step).await;
            }
            subject.compare_all().await;
            subject.work_off().await;
            subject.compare_all().await;
        });
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}
