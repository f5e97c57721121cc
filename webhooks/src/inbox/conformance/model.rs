//! An inbox of a few screens' length: what may be claimed when, and what becomes of it.

use std::collections::BTreeMap;

use crate::inbox::record::{Replayed, RunState};
use crate::inbox::{Claimed, ClaimedRun, End, GivenUp, MAX_UNSETTLED, Put};
use crate::store::DeadReason;

/// The listeners of every event: without an order, ordered with `on_dead = "skip"`, and with `"block"`.
pub(super) const LISTENERS: [&str; 3] = ["unordered", "skips", "blocks"];

/// In seconds. Time passes in steps of four, and other ends lie between two of them: real time, of which some passes
/// too, decides nothing.
pub(super) const LEASE: u64 = 10;
pub(super) const MAX_ATTEMPTS: u32 = 4;

/// A run: its event's id and its listener's place.
pub(super) type Name = (usize, usize);

#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) now: u64,
    pub(super) events: BTreeMap<usize, Event>,
    arrivals: u64,
}

#[derive(Debug)]
pub(super) struct Event {
    arrived: u64,
    pub(super) runs: BTreeMap<usize, Run>,
}

#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) state: RunState,
    pub(super) reason: Option<DeadReason>,
    pub(super) is_replay: bool,
    /// The number of the claim that has not ended, and until when its lease lasts.
    pub(super) held: Option<(usize, u64)>,
    pub(super) failures: u32,
    spent: u32,
    unsettled: u32,
    due: u64,
}

/// What an operator means.
#[derive(Debug, Clone, Copy)]
pub(super) enum Which {
    All,
    Event(usize),
    Listener(usize),
    State(RunState),
    Reason(DeadReason),
}

impl Run {
    fn new(due: u64) -> Self {
        Self {
            state: RunState::Pending,
            reason: None,
            is_replay: false,
            held: None,
            failures: 0,
            spent: 0,
            unsettled: 0,
            due,
        }
    }

    fn begin_afresh(&mut self, now: u64, is_replay: bool) {
        *self = Self { is_replay, failures: self.failures, ..Self::new(now) };
    }

    fn is_pending(&self) -> bool {
        self.state == RunState::Pending
    }

    /// Nobody noticed until now that an attempt never ended.
    fn note_lapse(&mut self) {
        self.failures += u32::from(self.held.take().is_some());
    }

    fn bury(&mut self, reason: DeadReason) {
        (self.state, self.reason, self.held, self.unsettled) = (RunState::Dead, Some(reason), None, 0);
    }
}

impl Which {
    fn means(self, (event, listener): Name, run: &Run) -> bool {
        match self {
            Self::All => true,
            Self::Event(it) => it == event,
            Self::Listener(it) => it == listener,
            Self::State(it) => it == run.state,
            Self::Reason(it) => Some(it) == run.reason,
        }
    }
}

impl Model {
    pub(super) fn put(&mut self, ids: &[usize]) -> Vec<Put> {
        ids.iter().map(|id| self.put_one(*id)).collect()
    }

    fn put_one(&mut self, id: usize) -> Put {
        let now = self.now;
        let Some(event) = self.events.get_mut(&id) else {
            self.arrivals += 1;
            let runs = (0..LISTENERS.len()).map(|listener| (listener, Run::new(now))).collect();
            self.events.insert(id, Event { arrived: self.arrivals, runs });
            return Put::Stored;
        };
        let dead = event.runs.values_mut().filter(|run| run.state == RunState::Dead);
        let revived = dead.map(|run| run.begin_afresh(now, false)).count();
        if revived > 0 { Put::Revived } else { Put::Duplicate }
    }

    /// Follows what an engine has claimed, the first of which gets this number, if it may be so.
    pub(super) fn claim(
        &mut self,
        claimed: &Claimed,
        limit: usize,
        each: [usize; LISTENERS.len()],
        idle: bool,
        number: usize,
    ) {
        for given_up in &claimed.given_up {
            self.give_up(given_up);
        }
        let runs: Vec<_> = claimed.runs.iter().map(name).collect();
        let suspects = self.suspects();
        if claimed.suspect {
            assert_eq!(
                runs.len(),
                usize::from(idle),
                "a suspect runs alone, and only where nothing else does"
            );
            assert!(runs.iter().all(|run| suspects.contains(run)), "{runs:?} of {suspects:?}");
        } else {
            // One that only now is in front may wait for the next claim.
            assert!(suspects.is_empty() || !claimed.given_up.is_empty(), "{suspects:?} were passed over");
            let mut room = 0;
            for (listener, most) in each.into_iter().enumerate() {
                let claimable = self.claimable(listener);
                let taken = runs.iter().filter(|run| run.1 == listener);
                assert!(taken.clone().all(|run| claimable.contains(run)), "{runs:?} of {claimable:?}");
                assert!(taken.count() <= most);
                room += claimable.len().min(most);
            }
            assert_eq!(runs.len(), room.min(limit), "as many as there are, up to the limits");
        }
        for (at, run) in claimed.runs.iter().enumerate() {
            self.take(run, number + at);
        }
    }

    fn give_up(&mut self, given_up: &GivenUp) {
        let id = given_up.event_id.as_deref().and_then(|id| id.parse().ok()).unwrap();
        let name = (id, place(&given_up.listener));
        assert!(self.suspects().contains(&name), "{name:?} was given up");
        let run = self.run(name);
        let reason = if run.unsettled >= MAX_UNSETTLED {
            DeadReason::CrashLoop
        } else {
            DeadReason::AttemptsExhausted
        };
        assert!(run.unsettled >= MAX_UNSETTLED || run.spent >= MAX_ATTEMPTS, "{run:?} was given up");
        assert_eq!((given_up.reason, given_up.attempts), (reason, run.spent));
        run.note_lapse();
        run.bury(reason);
    }

    fn take(&mut self, claimed: &ClaimedRun, number: usize) {
        let until = self.now + LEASE;
        let run = self.run(name(claimed));
        run.note_lapse();
        run.spent += 1;
        run.unsettled += 1;
        run.held = Some((number, until));
        assert_eq!((claimed.attempt, claimed.is_replay), (run.spent, run.is_replay));
    }

    pub(super) fn renew(&mut self, name: Name, number: usize) -> bool {
        let until = self.now + LEASE;
        self.held(name, number).map(|run| run.held = Some((number, until))).is_some()
    }

    pub(super) fn settle(&mut self, name: Name, number: usize, end: &End) -> bool {
        let now = self.now;
        let Some(run) = self.held(name, number) else { return false };
        run.held = None;
        match end {
            End::Done => (run.state, run.unsettled) = (RunState::Done, 0),
            End::Retry { delay, .. } => {
                (run.due, run.unsettled) = (now + delay.as_secs(), 0);
                run.failures += 1;
            }
            End::Dead { reason, .. } => {
                run.failures += 1;
                run.bury(*reason);
            }
            End::Released => (run.due, run.unsettled, run.spent) = (now, run.unsettled - 1, run.spent - 1),
        }
        true
    }

    pub(super) fn replay(&mut self, which: Which) -> Replayed {
        let now = self.now;
        let mut replayed = Replayed::default();
        for name in self.meant(which) {
            let run = self.run(name);
            if run.held.is_none() {
                run.begin_afresh(now, true);
                replayed.runs += 1;
            }
        }
        replayed
    }

    pub(super) fn discard(&mut self, which: Which) -> u64 {
        let meant = self.meant(which);
        for (id, listener) in &meant {
            self.events.get_mut(id).unwrap().runs.remove(listener);
        }
        self.events.retain(|_, event| !event.runs.is_empty());
        meant.len() as u64
    }

    pub(super) fn forget_event(&mut self, id: usize) -> bool {
        let is_through = |event: &Event| !event.runs.values().any(Run::is_pending);
        self.events.get(&id).is_some_and(is_through) && self.events.remove(&id).is_some()
    }

    /// What is pending and dead of a listener.
    pub(super) fn counts(&self, listener: usize) -> (u64, u64) {
        let runs = || self.events.values().filter_map(|event| event.runs.get(&listener));
        let count = |state| runs().filter(|run| run.state == state).count() as u64;
        (count(RunState::Pending), count(RunState::Dead))
    }

    /// Runs that nothing will ever move: they are behind dead ones of a listener whose dead block.
    pub(super) fn is_stuck(&self, name: Name) -> bool {
        LISTENERS[name.1] == "blocks" && self.in_front(name).any(|run| run.state == RunState::Dead)
    }

    pub(super) fn names(&self) -> Vec<Name> {
        let runs = self.events.iter().flat_map(|(id, event)| event.runs.keys().map(|it| (*id, *it)));
        runs.collect()
    }

    pub(super) fn run(&mut self, (id, listener): Name) -> &mut Run {
        self.events.get_mut(&id).unwrap().runs.get_mut(&listener).unwrap()
    }

    fn get(&self, (id, listener): Name) -> &Run {
        &self.events[&id].runs[&listener]
    }

    fn held(&mut self, (id, listener): Name, number: usize) -> Option<&mut Run> {
        let run = self.events.get_mut(&id)?.runs.get_mut(&listener)?;
        Some(run).filter(|run| run.held.is_some_and(|(holder, _)| holder == number))
    }

    fn meant(&self, which: Which) -> Vec<Name> {
        self.names().into_iter().filter(|name| which.means(*name, self.get(*name))).collect()
    }

    fn claimable(&self, listener: usize) -> Vec<Name> {
        let due = |run: &Run| run.is_pending() && run.unsettled == 0 && run.due <= self.now;
        let of = self.names().into_iter().filter(|name| name.1 == listener);
        of.filter(|name| due(self.get(*name)) && self.is_in_order(*name)).collect()
    }

    fn suspects(&self) -> Vec<Name> {
        let is_suspect = |name: &Name| {
            let run = self.get(*name);
            let free = match run.held {
                Some((_, until)) => until <= self.now,
                None => self.is_in_order(*name),
            };
            run.is_pending() && run.unsettled > 0 && free
        };
        self.names().into_iter().filter(is_suspect).collect()
    }

    /// No other of its order key is under way, and none is in front that counts.
    fn is_in_order(&self, name: Name) -> bool {
        let counts = |run: &Run| match run.state {
            RunState::Pending => true,
            RunState::Done => false,
            RunState::Dead => LISTENERS[name.1] == "blocks",
        };
        !self.line(name).any(|(_, run)| run.held.is_some()) && !self.in_front(name).any(counts)
    }

    fn in_front(&self, name: Name) -> impl Iterator<Item = &Run> {
        let arrived = self.events[&name.0].arrived;
        self.line(name).filter(move |(at, _)| *at < arrived).map(|(_, run)| run)
    }

    /// The others of its order key, and when each arrived.
    fn line(&self, (id, listener): Name) -> impl Iterator<Item = (u64, &Run)> {
        let ordered = LISTENERS[listener] != "unordered";
        let same = move |other: usize| ordered && other != id && order_key(other) == order_key(id);
        let others = self.events.iter().filter(move |(other, _)| same(**other));
        others.filter_map(move |(_, event)| Some((event.arrived, event.runs.get(&listener)?)))
    }
}

/// What the ordered runs of an event are ordered by.
pub(super) fn order_key(id: usize) -> u8 {
    u8::try_from(id % 2).unwrap()
}

pub(super) fn name(run: &ClaimedRun) -> Name {
    (run.event.id.as_deref().and_then(|id| id.parse().ok()).unwrap(), place(&run.listener))
}

pub(super) fn place(listener: &str) -> usize {
    LISTENERS.iter().position(|it| *it == listener).unwrap()
}
