//! Who does what in a trial: the listener that is tried has mishaps, the others handle every event once.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use tokio::sync::watch;

use super::mishap::{Mishap, Staged, Waiting};
use super::mortal::Mortal;
use crate::error::{Failure, Result};
use crate::event::WebhookEvent;
use crate::listener::bound::Handler;
use crate::listener::extract::Run;

/// The header that tells which delivery an event came with.
pub(super) const MARK: &str = "webhooks-testing-delivery";

/// How many runs are awaited before they all begin: as many parts of a batch are handled side by side.
const CROWD: usize = 16;

/// What happens in one trial, in all of its processes.
pub(super) struct Script {
    /// The listener that is tried; `None`: nobody is, and nothing is done to anyone.
    pub(super) tried: Option<String>,
    pub(super) mishap: Mishap,
    held_back: AtomicBool,
    cuts: AtomicUsize,
    /// How many runs have come to the gate, which opens when the crowd is there.
    gate: watch::Sender<usize>,
    crowd: AtomicUsize,
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    /// The runs of those that are not tried.
    once: HashMap<String, Shared<BoxFuture<'static, Result<(), Failed>>>>,
    /// Whom the mishap has struck.
    struck: HashSet<String>,
    /// Every listener that ran, in the order of their first runs; and how many runs.
    heard: Vec<(String, usize)>,
    /// The last failure that was none of the trial's.
    failure: Option<String>,
}

/// A failure that several may be told of.
#[derive(Debug, Clone)]
struct Failed {
    error: String,
    permanent: bool,
}

impl Script {
    pub(super) fn new(tried: Option<&str>, mishap: Mishap) -> Arc<Self> {
        Arc::new(Self {
            tried: tried.map(str::to_owned),
            mishap,
            held_back: AtomicBool::new(mishap == Mishap::HeldBack),
            cuts: AtomicUsize::new(0),
            gate: watch::Sender::new(0),
            crowd: AtomicUsize::new(0),
            book: Mutex::default(),
        })
    }

    /// A listener in one of the trial's processes.
    pub(super) fn cast(
        self: &Arc<Self>,
        id: &Arc<str>,
        inner: Arc<dyn Handler>,
        process: Mortal,
    ) -> Arc<dyn Handler> {
        Arc::new(Actor { script: Arc::clone(self), id: Arc::clone(id), inner, process })
    }

    /// Lets the runs that were held back go on: all at once, if it is said how many there will be.
    pub(super) fn release(&self, crowd: usize) {
        self.crowd.store(crowd.min(CROWD), Ordering::SeqCst);
        self.held_back.store(false, Ordering::SeqCst);
    }

    /// How many runs were cut off.
    pub(super) fn cuts(&self) -> usize {
        self.cuts.load(Ordering::SeqCst)
    }

    /// Every listener that ran, and how often.
    pub(super) fn heard(&self) -> Vec<(String, usize)> {
        self.book().heard.clone()
    }

    /// The last failure that was none of the trial's.
    pub(super) fn failure(&self) -> Option<String> {
        self.book().failure.clone()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is the first time that the mishap strikes there.
    fn strikes(&self, place: String) -> bool {
        self.book().struck.insert(place)
    }

    /// Waits until all who are to begin together have come. One that does not come is not waited for.
    async fn gather(&self) {
        const PATIENCE: Duration = Duration::from_secs(1);
        let crowd = self.crowd.load(Ordering::SeqCst);
        self.gate.send_modify(|arrived| *arrived += 1);
        let mut arrived = self.gate.subscribe();
        let _ = tokio::time::timeout(PATIENCE, arrived.wait_for(|arrived| *arrived >= crowd)).await;
    }
}

/// A listener as the trial has it.
struct Actor {
    script: Arc<Script>,
    id: Arc<str>,
    inner: Arc<dyn Handler>,
    process: Mortal,
}

impl Actor {
    /// One that is not tried: whatever is repeated, it handles an event once, and is never cut off.
    async fn once(&self, run: Run<'_>) -> Result {
        let key = format!("{} {}", self.id, name(run.event()));
        let running = {
            let mut book = self.script.book();
            book.once.entry(key.clone()).or_insert_with(|| self.start(&run)).clone()
        };
        running.await.map_err(|Failed { error, permanent }| {
            self.script.book().once.remove(&key);
            if permanent { Failure::permanent(error) } else { error.into() }
        })
    }

    /// Runs in a task of its own, so that nothing that happens to others cuts it off.
    fn start(&self, run: &Run<'_>) -> Shared<BoxFuture<'static, Result<(), Failed>>> {
        let (inner, id) = (Arc::clone(&self.inner), Arc::clone(&self.id));
        let (event, timeout) = (run.event().clone(), run.timeout());
        let task = tokio::spawn(async move { inner.handle(Run::new(&event, &id, timeout)).await });
        let outcome = async move {
            match task.await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(failure)) => {
                    Err(Failed { error: failure.to_string(), permanent: failure.is_permanent() })
                }
                Err(error) => Err(Failed { error: error.to_string(), permanent: false }),
            }
        };
        outcome.boxed().shared()
    }

    async fn tried(&self, run: Run<'_>) -> Result {
        let (script, event) = (&self.script, name(run.event()));
        match script.mishap {
            Mishap::None => self.inner.handle(run).await,
            Mishap::Death => {
                let delivery = mark(run.event()).to_owned();
                let result = self.inner.handle(run).await;
                if result.is_ok() && script.strikes(delivery) {
                    self.process.die();
                }
                result
            }
            Mishap::FailureBefore if script.strikes(event.clone()) => Err(Staged::failure()),
            Mishap::FailureAfter => {
                let result = self.inner.handle(run).await;
                if result.is_ok() && script.strikes(event) { Err(Staged::failure()) } else { result }
            }
            Mishap::Cut(left) if script.strikes(event.clone()) => {
                let future = Box::pin(self.inner.handle(run));
                let result = Waiting { future, left }.await;
                result.unwrap_or_else(|| {
                    script.cuts.fetch_add(1, Ordering::SeqCst);
                    Err(Staged::failure())
                })
            }
            Mishap::FailureBefore | Mishap::Cut(_) => self.inner.handle(run).await,
            Mishap::HeldBack if script.held_back.load(Ordering::SeqCst) => Err(Staged::failure()),
            Mishap::HeldBack => {
                script.gather().await;
                self.inner.handle(run).await
            }
        }
    }

    fn note(&self) {
        let mut book = self.script.book();
        match book.heard.iter_mut().find(|(id, _)| **id == *self.id) {
            Some((_, runs)) => *runs += 1,
            None => book.heard.push((self.id.to_string(), 1)),
        }
    }
}

impl Handler for Actor {
    fn handle<'a>(&'a self, run: Run<'a>) -> BoxFuture<'a, Result> {
        Box::pin(async move {
            self.note();
            let result = match &self.script.tried {
                None => self.inner.handle(run).await,
                Some(id) if **id == *self.id => self.tried(run).await,
                Some(_) => self.once(run).await,
            };
            if let Some(failure) = result.as_ref().err().filter(|it| !Staged::is(it)) {
                self.script.book().failure = Some(format!("{}: {failure}", self.id));
            }
            result
        })
    }

    /// Is told of what the listener did itself, and not of what the trial did to it.
    fn on_error<'a>(&'a self, event: &'a WebhookEvent, failure: &'a Failure) -> BoxFuture<'a, Result> {
        match Staged::is(failure) {
            true => Box::pin(async { Ok(()) }),
            false => self.inner.on_error(event, failure),
        }
    }
}

/// The delivery that an event came with.
fn mark(event: &WebhookEvent) -> &str {
    event.headers().get(MARK).and_then(|it| it.to_str().ok()).unwrap_or_default()
}

/// The same for every repetition of an event, and for nothing else.
fn name(event: &WebhookEvent) -> String {
    let payload = xxhash_rust::xxh3::xxh3_128(event.payload());
    format!("{} {} {:?} {payload:x}", mark(event), event.event_type(), event.id())
}
