//! Each trial, from a fresh state to what is there in the end.

use std::fmt::Debug;
use std::sync::Arc;

use super::findings::{Finding, Findings};
use super::mishap::Mishap;
use super::script::Script;
use super::stage::Stage;
use super::{Error, Result, TestDelivery, Trial, Trials};
use crate::outcome::Outcome;
use crate::rehearsal::Keyring;
use crate::startup::Builder;

/// At how many of a listener's waits it is cut off: one that never stops waiting must not be tried for ever.
const MAX_WAITS: usize = 500;

/// What there is in the end.
struct End<T> {
    seen: T,
    /// Why something was not handled at all.
    trouble: Option<String>,
}

/// All that the trials share.
struct Hall<'t, S, N, W, L> {
    trials: &'t Trials<S, N, W>,
    look: &'t L,
    keyring: Keyring,
}

/// Puts every listener through every trial.
pub(super) async fn all<S, N, W, T>(
    trials: &Trials<S, N, W>,
    look: &impl AsyncFn(&S) -> T,
) -> Result<Findings>
where
    N: AsyncFn() -> S,
    W: Fn(&S) -> Builder,
    T: PartialEq + Debug,
{
    let hall = Hall { trials, look, keyring: Keyring::default() };
    let (expected, tried) = hall.without_trial().await?;
    let mut findings = Vec::new();
    for listener in &tried {
        findings.extend(hall.of_listener(listener, &expected).await?);
    }
    Ok(Findings { findings, tried })
}

impl<S, N, W, L, T> Hall<'_, S, N, W, L>
where
    N: AsyncFn() -> S,
    W: Fn(&S) -> Builder,
    L: AsyncFn(&S) -> T,
    T: PartialEq + Debug,
{
    /// What there is after everything was handled once, in order; and who handled it.
    async fn without_trial(&self) -> Result<(T, Vec<String>)> {
        let (first, script) = self.handled_once().await?;
        let (second, _) = self.handled_once().await?;
        if first != second {
            return Err(Error::new(
                format!(
                    "handled twice over fresh states, the same deliveries leave different things: {first:?} and {second:?}"
                ),
                "leave out of `.compare(…)` what is never the same, such as times and random ids; and let each state be fresh",
            ));
        }
        Ok((first, script.heard().into_iter().map(|(id, _)| id).collect()))
    }

    async fn handled_once(&self) -> Result<(T, Arc<Script>)> {
        let mut stage = self.stage(Script::new(None, Mishap::None)).await?;
        for (number, delivery) in self.deliveries() {
            match stage.deliver(number, delivery).await? {
                Outcome::Handled | Outcome::Duplicate => {}
                outcome => {
                    let failure = stage.script.failure().map(|it| format!(" ({it})")).unwrap_or_default();
                    let what = format!(
                        "without any trial, delivery {} to `{}` ends as {}{failure}",
                        number + 1,
                        delivery.source,
                        outcome.reason()
                    );
                    return Err(Error::new(what, "trials need deliveries that are handled: mend that first"));
                }
            }
        }
        Ok(((self.look)(&stage.state).await, stage.script))
    }

    async fn of_listener(&self, listener: &str, expected: &T) -> Result<Vec<Finding>> {
        let mut found = Vec::new();
        for trial in &self.trials.trials {
            found.extend(match trial {
                Trial::Duplicates => self.duplicates(listener, expected).await?,
                Trial::Crash => self.crash(listener, expected).await?,
                Trial::Interruption => self.interruption(listener, expected).await?,
                Trial::Redelivery => self.redelivery(listener, expected).await?,
                Trial::Reordering => self.reordering(listener, expected).await?,
                Trial::Concurrency => self.concurrency(listener).await?,
            });
        }
        // What depends on the order differs when all comes at once, whatever that does besides.
        if found.iter().any(|it| it.trial == Trial::Reordering) {
            found.retain(|it| it.trial != Trial::Concurrency);
        }
        Ok(found)
    }

    async fn duplicates(&self, listener: &str, expected: &T) -> Result<Option<Finding>> {
        let mut stage = self.stage(Script::new(Some(listener), Mishap::None)).await?;
        for (number, delivery) in self.deliveries() {
            for _ in 0..3 {
                stage.deliver(number, delivery).await?;
            }
        }
        let what = "every delivery came three times";
        Ok(finding(listener, Trial::Duplicates, what, expected, self.end(stage).await))
    }

    async fn crash(&self, listener: &str, expected: &T) -> Result<Option<Finding>> {
        let (end, _) = self.one_by_one(listener, Mishap::Death).await?;
        let what =
            "its run took effect, the process died before that was recorded, and the event was handled again";
        Ok(finding(listener, Trial::Crash, what, expected, end))
    }

    async fn interruption(&self, listener: &str, expected: &T) -> Result<Option<Finding>> {
        for waits in 0..=MAX_WAITS {
            let (end, script) = self.one_by_one(listener, Mishap::Cut(waits)).await?;
            if script.cuts() == 0 {
                return Ok(None);
            }
            let time = ordinal(waits + 1);
            let what =
                format!("it was cut off when it waited for the {time} time, and the event was handled again");
            let found = finding(listener, Trial::Interruption, &what, expected, end);
            if found.is_some() {
                return Ok(found);
            }
        }
        // Not the same as nothing found: it may break at the next one.
        Err(Error::new(
            format!(
                "listener `{listener}` waits more than {MAX_WAITS} times, which is as often as it is cut off: nothing was \
                 found so far, and what an interruption does later is not known"
            ),
            "deliver something over which it waits less often; or leave that out: `.without(Trial::Interruption)`",
        ))
    }

    async fn redelivery(&self, listener: &str, expected: &T) -> Result<Option<Finding>> {
        let before = "it failed before it did anything, and the event was handled again";
        let after = "its run took effect and failed all the same, and the event was handled again";
        for (mishap, what) in [(Mishap::FailureBefore, before), (Mishap::FailureAfter, after)] {
            let (end, _) = self.one_by_one(listener, mishap).await?;
            let found = finding(listener, Trial::Redelivery, what, expected, end);
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// First against the others, then among its own events.
    async fn reordering(&self, listener: &str, expected: &T) -> Result<Option<Finding>> {
        let late = self.late(listener, Order::Same).await?;
        if late.trouble.is_some() || late.seen != *expected {
            let what = "its events came after the other listeners had heard theirs: it depends on the order, or they do";
            return Ok(finding(listener, Trial::Reordering, what, expected, late));
        }
        let what = "its events came in reverse";
        Ok(finding(listener, Trial::Reordering, what, expected, self.late(listener, Order::Reverse).await?))
    }

    /// Against what there is when the same events come as late, but one by one.
    async fn concurrency(&self, listener: &str) -> Result<Option<Finding>> {
        let expected = self.late(listener, Order::Same).await?;
        let what = "its events came all at once, each twice";
        let end = self.late(listener, Order::Together).await?;
        Ok(finding(listener, Trial::Concurrency, what, &expected.seen, end))
    }

    /// Every delivery in turn, until it was handled in spite of the mishap.
    async fn one_by_one(&self, listener: &str, mishap: Mishap) -> Result<(End<T>, Arc<Script>)> {
        let mut stage = self.stage(Script::new(Some(listener), mishap)).await?;
        for (number, delivery) in self.deliveries() {
            stage.deliver(number, delivery).await?;
        }
        let script = Arc::clone(&stage.script);
        Ok((self.end(stage).await, script))
    }

    /// The others have heard everything before the listener hears anything.
    async fn late(&self, listener: &str, order: Order) -> Result<End<T>> {
        let mut stage = self.stage(Script::new(Some(listener), Mishap::HeldBack)).await?;
        for (number, delivery) in self.deliveries() {
            stage.send(number, delivery).await?;
        }
        let runs = stage.script.heard().iter().find(|(id, _)| id == listener).map_or(0, |(_, runs)| *runs);
        match order {
            Order::Same | Order::Reverse => stage.script.release(0),
            Order::Together => {
                stage.script.release(runs);
                let all: Vec<_> = self.deliveries().chain(self.deliveries()).collect();
                stage.send_together(&all).await?;
            }
        }
        let mut rest: Vec<_> = self.deliveries().collect();
        if order == Order::Reverse {
            rest.reverse();
        }
        for (number, delivery) in rest {
            stage.deliver(number, delivery).await?;
        }
        Ok(self.end(stage).await)
    }

    async fn end(&self, stage: Stage<'_, S, W>) -> End<T> {
        End { seen: (self.look)(&stage.state).await, trouble: stage.trouble }
    }

    async fn stage(&self, script: Arc<Script>) -> Result<Stage<'_, S, W>> {
        let state = (self.trials.state)().await;
        Stage::new(state, &self.trials.webhooks, &self.keyring, script).await
    }

    fn deliveries(&self) -> impl DoubleEndedIterator<Item = (usize, &TestDelivery)> {
        self.trials.deliveries.iter().enumerate()
    }
}

/// In which order a listener that comes late hears its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Same,
    Reverse,
    Together,
}

fn finding<T: PartialEq + Debug>(
    listener: &str,
    trial: Trial,
    what: &str,
    expected: &T,
    end: End<T>,
) -> Option<Finding> {
    let what = match end.trouble {
        Some(trouble) => format!("{what}; it never succeeded again: {trouble}"),
        None if end.seen == *expected => return None,
        None => what.to_owned(),
    };
    let (expected, found) = (format!("{expected:?}"), format!("{:?}", end.seen));
    Some(Finding { listener: listener.to_owned(), trial, what, expected, found })
}

fn ordinal(number: usize) -> String {
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}
