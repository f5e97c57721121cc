//! One thing that is wrong with the wiring or the settings: what, and what to do about it.

use std::fmt;
use std::sync::{Mutex, MutexGuard};

/// One thing that is wrong with the wiring or the settings.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// What is wrong and where: names the listener with file and line, or the settings key with its file
    /// or environment variable. Never contains a secret.
    pub what: String,
    /// What to do about it.
    pub help: String,
}

impl Problem {
    /// A problem and its remedy.
    pub fn new(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { what: what.into(), help: help.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n    help: {}", self.what, self.help)
    }
}

/// Collects problems from everything that reads or wires, so that all are reported in one run.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    of_listeners: Mutex<Vec<Problem>>,
    errors: Mutex<Vec<Problem>>,
    warnings: Mutex<Vec<Problem>>,
}

impl Problems {
    pub(crate) fn add(&self, what: impl Into<String>, help: impl Into<String>) {
        lock(&self.errors).push(Problem::new(what, help));
    }

    /// What is wrong with a listener is reported first: it is the code that was just written.
    pub(crate) fn add_of_listener(&self, what: impl Into<String>, help: impl Into<String>) {
        lock(&self.of_listeners).push(Problem::new(what, help));
    }

    /// Something that is probably a mistake, but does not keep anything from starting.
    pub(crate) fn warn(&self, what: impl Into<String>, help: impl Into<String>) {
        lock(&self.warnings).push(Problem::new(what, help));
    }

    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.of_listeners).is_empty() && lock(&self.errors).is_empty()
    }

    /// All errors, sorted, each of them once: those of listeners first.
    pub(crate) fn into_errors(self) -> Vec<Problem> {
        let sorted = |list: &Mutex<Vec<Problem>>| {
            let mut problems = std::mem::take(&mut *lock(list));
            problems.sort();
            problems.dedup();
            problems
        };
        let mut errors = sorted(&self.of_listeners);
        errors.append(&mut sorted(&self.errors));
        errors
    }

    pub(crate) fn take_warnings(&self) -> Vec<Problem> {
        std::mem::take(&mut *lock(&self.warnings))
    }
}

fn lock(list: &Mutex<Vec<Problem>>) -> MutexGuard<'_, Vec<Problem>> {
    list.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The candidate that `name` was probably meant to be.
pub(crate) fn suggestion<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // 0.8 lets one slip in a short word pass and keeps different words apart.
    const ALIKE: f64 = 0.8;
    candidates
        .into_iter()
        // Likeness weighs the beginning: a secret that begins with a vendor's name is not that name misspelt.
        .filter(|candidate| name.len() <= candidate.len() + candidate.len() / 2)
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(likeness, _)| *likeness > ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// That `word` is none of the `known` ones; `says` is the beginning of a sentence that ends with it.
///
/// Only what is nearly one of them is repeated, with the one that was meant: anything else may be a secret in the
/// wrong place.
pub(crate) fn unknown_word<'a>(
    says: &str,
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
    help: impl Into<String>,
) -> Problem {
    match suggestion(word, known) {
        Some(close) => {
            Problem::new(format!("{says} `{}`", word.escape_debug()), format!("did you mean `{close}`?"))
        }
        None => Problem::new(format!("{says} what is written here"), help),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_sorted_and_those_of_listeners_come_first() {
        let problems = Problems::default();
        problems.add("b", "");
        problems.add("listener's settings", "");
        problems.add("a", "");
        problems.add("b", "");
        problems.add_of_listener("z", "");
        let errors = problems.into_errors();
        let told: Vec<_> = errors.iter().map(|it| it.what.as_str()).collect();
        assert_eq!(told, ["z", "a", "b", "listener's settings"]);
    }

    #[test]
    fn what_only_begins_like_a_word_is_not_taken_for_it() {
        assert_eq!(suggestion("strpe", ["github", "stripe"]), Some("stripe"));
        assert_eq!(suggestion("stripe-eu", ["stripe"]), Some("stripe"));
        assert_eq!(suggestion("stripe_live_51H8mJ", ["stripe"]), None);
    }
}
