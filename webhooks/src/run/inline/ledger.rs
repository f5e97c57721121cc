//! What has become of each listener's part in one event.

use std::time::Duration;

use crate::event::WebhookEvent;
use crate::outcome::Outcome;
use crate::run::verdict::Verdict;
use crate::store::{Fate, ListenerFate, Settled, Settlement};

/// What has become of each listener's part in one event: those through with it, and whether any is to be tried again.
#[derive(Debug)]
pub(super) struct Ledger {
    settled: Vec<ListenerFate>,
    /// Some listener is to be tried again, not before the delay if there is one.
    retry: Option<Option<Duration>>,
}

impl Ledger {
    pub(super) fn new(settled: Vec<ListenerFate>) -> Self {
        Self { settled, retry: None }
    }

    pub(super) fn is_through(&self, listener: &str) -> bool {
        self.settled.iter().any(|it| it.listener == listener)
    }

    /// Enters a verdict on the event. What it settles is returned, to be recorded.
    ///
    /// One that gives up is logged at once: after a 200 the line is the event's last trace, and an attempt that crashes
    /// between recording it and its end would leave none.
    /// Of the `last` one nothing is entered where everything is done by then: who did it does not matter any more.
    pub(super) fn enter(
        &mut self,
        event: &WebhookEvent,
        listener: &str,
        verdict: Verdict,
        last: bool,
    ) -> Option<&ListenerFate> {
        if let Verdict::Dead(reason) = verdict {
            tracing::error!(
                source = event.source(),
                event_id = event.id(),
                event_type = event.event_type(),
                listener,
                attempt = event.attempt(),
                delivery = %event.delivery_id(),
                reason = reason.code(),
                "event is dead"
            );
        }
        self.note(listener, verdict, last)
    }

    fn note(&mut self, listener: &str, verdict: Verdict, last: bool) -> Option<&ListenerFate> {
        let fate = match verdict {
            Verdict::Done if last && matches!(self.outcome(), Outcome::Handled) => return None,
            Verdict::Done => Fate::Done,
            Verdict::Dead(reason) => Fate::Dead(reason),
            Verdict::Retry(delay) => {
                self.retry = Some(match self.retry {
                    None => delay,
                    // Whoever wants it soonest decides; without a time it is the provider's own schedule.
                    Some(other) => delay.zip(other).map(|(a, b)| a.min(b)),
                });
                return None;
            }
        };
        self.settled.push(ListenerFate { listener: listener.to_owned(), fate });
        self.settled.last()
    }

    /// Not all listeners were let finish.
    pub(super) fn interrupted(&mut self) {
        self.retry.get_or_insert(None);
    }

    pub(super) fn outcome(&self) -> Outcome {
        match self.retry {
            Some(delay) => Outcome::Retry(delay),
            None if self.has_dead() => Outcome::Dead,
            None => Outcome::Handled,
        }
    }

    pub(super) fn settlement(&self, retention: Duration) -> Settlement {
        let state = match self.outcome() {
            Outcome::Handled => Settled::Completed,
            Outcome::Dead => Settled::Dead,
            _ => Settled::Released,
        };
        // Once all is done, who did it does not matter any more.
        let settled = if state == Settled::Completed { Vec::new() } else { self.settled.clone() };
        Settlement { state, settled, retention }
    }

    fn has_dead(&self) -> bool {
        self.settled.iter().any(|it| matches!(it.fate, Fate::Dead(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::DeadReason;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn all_done_completes() {
        let mut ledger = Ledger::new(Vec::new());
        ledger.note("a", Verdict::Done, false);
        assert_eq!(ledger.settlement(DAY).state, Settled::Completed);
    }

    #[test]
    fn one_to_be_tried_again_releases_and_keeps_what_is_done() {
        let mut ledger = Ledger::new(Vec::new());
        ledger.note("a", Verdict::Done, false);
        ledger.note("b", Verdict::Retry(None), false);
        let settlement = ledger.settlement(DAY);
        assert_eq!(settlement.state, Settled::Released);
        assert_eq!(settlement.settled.len(), 1);
    }

    #[test]
    fn dead_only_once_nobody_is_to_be_tried_again() {
        let mut ledger = Ledger::new(Vec::new());
        ledger.note("a", Verdict::Dead(DeadReason::Permanent), false);
        ledger.note("b", Verdict::Retry(None), false);
        assert_eq!(ledger.settlement(DAY).state, Settled::Released);
        let mut again = Ledger::new(ledger.settled);
        again.note("b", Verdict::Done, true);
        assert_eq!(again.settlement(DAY).state, Settled::Dead);
    }

    #[test]
    fn the_soonest_delay_wins_and_none_is_soonest() {
        let mut ledger = Ledger::new(Vec::new());
        ledger.note("a", Verdict::Retry(Some(Duration::from_secs(9))), false);
        ledger.note("b", Verdict::Retry(Some(Duration::from_secs(5))), false);
        assert!(matches!(ledger.outcome(), Outcome::Retry(Some(delay)) if delay.as_secs() == 5));
        ledger.note("c", Verdict::Retry(None), false);
        assert!(matches!(ledger.outcome(), Outcome::Retry(None)));
    }

    #[test]
    fn the_last_is_entered_unless_all_is_done() {
        let noted = |settled, verdict| {
            let mut ledger = Ledger::new(settled);
            ledger.note("last", verdict, true);
            ledger.settled.iter().any(|it| it.listener == "last")
        };
        let before = |fate| vec![ListenerFate { listener: "before".to_owned(), fate }];
        assert!(!noted(Vec::new(), Verdict::Done));
        assert!(!noted(before(Fate::Done), Verdict::Done));
        assert!(noted(before(Fate::Dead(DeadReason::Permanent)), Verdict::Done), "it is not to run again");
        assert!(noted(Vec::new(), Verdict::Dead(DeadReason::Permanent)));
    }
}
