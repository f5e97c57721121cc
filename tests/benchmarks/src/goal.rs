//! What was measured, beside what it should be.

/// A ratio that should be no more than so much.
pub(crate) fn at_most(goal: f64, ratio: f64) -> String {
    told(ratio, ratio <= goal, &format!("≤ {goal}"))
}

/// A ratio that should be no less than so much.
pub(crate) fn at_least(goal: f64, ratio: f64) -> String {
    told(ratio, ratio >= goal, &format!("≥ {goal}"))
}

fn told(ratio: f64, reached: bool, goal: &str) -> String {
    format!("{ratio:.2} ({goal}{})", if reached { "" } else { ": missed" })
}
