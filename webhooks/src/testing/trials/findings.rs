//! What the trials have shown.

use std::fmt;

use super::Trial;
use crate::testing::report::is_called;

/// What the trials have shown: nothing, if all is well. `Display` tells it in words.
#[derive(Debug, Clone)]
#[must_use = "assert that there are none"]
pub struct Findings {
    pub(super) findings: Vec<Finding>,
    /// The listeners that were tried.
    pub(super) tried: Vec<String>,
}

/// A listener that is not safe to repeat.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The listener's id.
    pub listener: String,
    /// What it was put through.
    pub trial: Trial,
    /// What happened, in words.
    pub what: String,
    /// What should have been there, as `Debug` prints it.
    pub expected: String,
    /// What was there.
    pub found: String,
}

impl Findings {
    /// Whether every listener is safe to repeat, as far as these trials show.
    pub fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter()
    }

    /// Those of one listener: `"on_paid"` or `"billing::on_paid"`.
    pub fn of(&self, listener: &str) -> Vec<&Finding> {
        self.iter().filter(|it| is_called(&it.listener, listener)).collect()
    }

    /// The ids of the listeners that were tried: those that heard something.
    pub fn tried(&self) -> &[String] {
        &self.tried
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return write!(f, "nothing was found: {} listeners were tried", self.tried.len());
        }
        self.findings.iter().try_for_each(|finding| writeln!(f, "{finding}"))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "`{}` is not safe to repeat: {}", self.listener, self.trial)?;
        writeln!(f, "    {}", self.what)?;
        writeln!(f, "    expected: {}", self.expected)?;
        write!(f, "    found:    {}", self.found)
    }
}
