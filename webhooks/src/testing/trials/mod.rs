//! Trials: a user's own listeners, put through what happens to deliveries sooner or later.

mod findings;
mod mishap;
mod mortal;
mod run;
mod script;
mod stage;

use std::fmt;
use std::marker::PhantomData;

use super::{Error, Result, TestDelivery};
use crate::startup::Builder;

pub use findings::{Finding, Findings};

/// Something that happens to deliveries sooner or later, after which the world should look as if it had not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Trial {
    /// Every delivery comes three times. An event is handled once, if its provider gives ids.
    Duplicates,
    /// All deliveries come at once, each twice.
    Concurrency,
    /// The listener's run takes effect, and the process dies before that is recorded: the event is handled again, by the
    /// process that takes its place.
    Crash,
    /// The listener is cut off while it waits for something, at each of its awaits in turn, as by a timeout or a crash; and
    /// then the event is handled again. One that waits more than 500 times cannot be tried to its end, which is an
    /// error unless a fault was found by then.
    Interruption,
    /// The listener fails before it does anything; or its run takes effect and is a failure all the same, as by a timeout at
    /// its very end. Then the event is handled again.
    Redelivery,
    /// The listener's events come after everything else, in order and in reverse.
    Reordering,
}

impl Trial {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Duplicates,
        Self::Concurrency,
        Self::Crash,
        Self::Interruption,
        Self::Redelivery,
        Self::Reordering,
    ];
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Duplicates => "duplicates",
            Self::Concurrency => "concurrency",
            Self::Crash => "a crash between run and settlement",
            Self::Interruption => "an interruption",
            Self::Redelivery => "redelivery after failure",
            Self::Reordering => "reordering",
        })
    }
}

/// Puts listeners through [trials](Trial), and names those that are not safe to repeat.
///
/// It needs to know how to make a fresh state and webhooks over it, what is delivered, and what to look at. First every
/// delivery is handled once, in order. Then each listener in turn is put through every trial, each time over a fresh
/// state: it alone, while the other listeners handle every event once, so that a difference is its own. Whatever the trial,
/// in the end every event was handled, and what is looked at has to be what it was the first time.
///
/// Deliveries go through the real pipeline, inline and with claims in memory, whatever the settings say of stores and
/// inboxes. What a listener does outside of the state must be safe to repeat, too: it is done dozens of times.
///
/// ```
/// use std::sync::{Arc, Mutex};
///
/// use serde_json::json;
/// use webhooks::{Event, State, Webhooks, listeners, testing, webhook_listener};
///
/// #[derive(Default)]
/// struct Ledger {
///     /// Payments by id, and what they add up to.
///     paid: Mutex<std::collections::BTreeMap<String, u64>>,
///     total: Mutex<u64>,
/// }
///
/// #[derive(serde::Deserialize)]
/// struct Payment {
///     id: String,
///     amount: u64,
/// }
///
/// /// Writes the same again when it is repeated.
/// #[webhook_listener(source = "stripe", event = "charge.succeeded")]
/// async fn note(Event(payment): Event<Payment>, ledger: State<Ledger>) {
///     ledger.paid.lock().unwrap().insert(payment.id, payment.amount);
/// }
///
/// /// Adds the same again.
/// #[webhook_listener(source = "stripe", event = "charge.succeeded")]
/// async fn add(Event(payment): Event<Payment>, ledger: State<Ledger>) {
///     *ledger.total.lock().unwrap() += payment.amount;
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> testing::Result {
/// let charge = |id, amount| testing::stripe("charge.succeeded").json(json!({"id": id, "amount": amount}));
/// let findings = testing::trials(
///     async || Arc::new(Ledger::default()),
///     |ledger| Webhooks::builder().listeners(listeners![note, add]).shared_state(Arc::clone(ledger)),
/// )
/// .deliver([charge("ch_1", 42), charge("ch_2", 7)])
/// .compare(async |ledger| (ledger.paid.lock().unwrap().clone(), *ledger.total.lock().unwrap()))
/// .await?;
///
/// assert!(findings.of("note").is_empty(), "{findings}");
/// assert_eq!(findings.of("add")[0].trial, testing::Trial::Crash);
/// # Ok(())
/// # }
/// ```
pub fn trials<S, N, W>(state: N, webhooks: W) -> Trials<S, N, W>
where
    N: AsyncFn() -> S,
    W: Fn(&S) -> Builder,
{
    Trials { state, webhooks, deliveries: Vec::new(), trials: Trial::ALL.to_vec(), of: PhantomData }
}

/// See [`trials`].
#[must_use = "nothing is tried until it is compared"]
pub struct Trials<S, N, W> {
    state: N,
    webhooks: W,
    deliveries: Vec<TestDelivery>,
    trials: Vec<Trial>,
    of: PhantomData<fn() -> S>,
}

impl<S, N, W> Trials<S, N, W>
where
    N: AsyncFn() -> S,
    W: Fn(&S) -> Builder,
{
    /// What is delivered, in order. Every listener that hears one of them is tried.
    pub fn deliver(mut self, deliveries: impl IntoIterator<Item = TestDelivery>) -> Self {
        self.deliveries.extend(deliveries);
        self
    }

    /// Leaves a trial out: reordering, say, where the inbox keeps a customer's events in order.
    pub fn without(mut self, trial: Trial) -> Self {
        self.trials.retain(|it| *it != trial);
        self
    }

    /// Holds the trials. `look` returns what is to be the same after each: leave out what never is, such as times and
    /// random ids.
    ///
    /// # Errors
    /// If the webhooks do not start, if a delivery is not handled even without a trial, if what `look` returns is never the
    /// same, or if a listener waits too often to be [interrupted](Trial::Interruption) each time.
    pub async fn compare<T: PartialEq + fmt::Debug>(self, look: impl AsyncFn(&S) -> T) -> Result<Findings> {
        if self.deliveries.is_empty() {
            return Err(Error::new("there is nothing to deliver", "say what is: `.deliver([…])`"));
        }
        run::all(&self, &look).await
    }
}

impl<S, N, W> fmt::Debug for Trials<S, N, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trials").field("deliveries", &self.deliveries.len()).finish_non_exhaustive()
    }
}
