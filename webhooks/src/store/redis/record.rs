//! What is sent to the scripts, and what they answer.

use std::fmt::Write;
use std::time::Duration;

use super::millis;
use crate::store::{Claim, ClaimTerms, DeadReason, Fate, Grant, ListenerFate, Settled, Token};

/// What the claim script answers: a word, a number, and the ledger.
pub(super) type Reply = (String, i64, String);

/// The record of a key that was absent, as the claim script writes it too.
pub(super) fn first_claim(token: Token, terms: &ClaimTerms) -> String {
    const ROOM: usize = 80;
    let mut record = String::with_capacity(ROOM);
    // Writing to a string cannot fail.
    let _ = write!(record, "1l{token}|{}|{}|1|1|", millis(terms.lease), kept(terms));
    record
}

/// How many milliseconds the record of a claim is kept after its last sign of life: at least for its lease.
pub(super) fn kept(terms: &ClaimTerms) -> u64 {
    millis(terms.retention.max(terms.lease))
}

/// Whether a record says that the event is completed.
pub(super) fn is_completed(record: &[u8]) -> bool {
    record.strip_prefix(b"1c").is_some_and(|by| by.iter().all(u8::is_ascii_hexdigit))
}

pub(super) fn fresh(token: Token) -> Claim {
    Claim::Granted(Grant { token, attempt: 1, settled: Vec::new() })
}

pub(super) fn claim((word, number, ledger): Reply, token: Token) -> Claim {
    let attempts = u32::try_from(number).unwrap_or(u32::MAX);
    match word.as_str() {
        "granted" => Claim::Granted(Grant { token, attempt: attempts, settled: from_lines(&ledger) }),
        "completed" => Claim::Completed,
        "crash_loop" => Claim::CrashLoop { attempts },
        // Held by another, or of a version that this build does not know: never taken for absent.
        _ => Claim::Busy { retry_after: Duration::from_millis(u64::try_from(number).unwrap_or(0).max(1)) },
    }
}

pub(super) fn settled_letter(state: Settled) -> &'static str {
    match state {
        Settled::Completed => "c",
        Settled::Released => "r",
        Settled::Dead => "d",
    }
}

/// One line a listener: `+id` for done, `-reason id` for given up. Ids hold no line ends; startup sees to that.
pub(super) fn to_lines(settled: &[ListenerFate]) -> String {
    let mut lines = String::new();
    for ListenerFate { listener, fate } in settled {
        match fate {
            Fate::Done => lines.push('+'),
            Fate::Dead(reason) => {
                lines.push('-');
                lines.push_str(reason.code());
                lines.push(' ');
            }
        }
        lines.push_str(listener);
        lines.push('\n');
    }
    lines
}

fn from_lines(lines: &str) -> Vec<ListenerFate> {
    let fate = |line: &str| {
        if let Some(listener) = line.strip_prefix('+') {
            return Some(ListenerFate { listener: listener.to_owned(), fate: Fate::Done });
        }
        let (reason, listener) = line.strip_prefix('-')?.split_once(' ')?;
        Some(ListenerFate { listener: listener.to_owned(), fate: Fate::Dead(reason_of(reason)) })
    };
    lines.lines().filter_map(fate).collect()
}

fn reason_of(code: &str) -> DeadReason {
    match code {
        "attempts_exhausted" => DeadReason::AttemptsExhausted,
        "crash_loop" => DeadReason::CrashLoop,
        _ => DeadReason::Permanent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_survives_the_journey() {
        let ledger = [
            ListenerFate { listener: "billing::on_paid".into(), fate: Fate::Done },
            ListenerFate { listener: "a b".into(), fate: Fate::Dead(DeadReason::AttemptsExhausted) },
            ListenerFate { listener: "-c".into(), fate: Fate::Dead(DeadReason::Permanent) },
        ];
        assert_eq!(from_lines(&to_lines(&ledger)), ledger);
    }
}
