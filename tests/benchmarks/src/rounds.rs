//! Paired rounds: both sides take turns, so that what the machine does to one it does to the other.

use std::fmt;
use std::future::Future;
use std::time::{Duration, Instant};

use crate::AnyError;

const ROUNDS: usize = 7;

/// The medians of a pair: how often a second each side did its work, and the median of the rounds' ratios. Shown, also
/// from where to where the rounds' ratios went: how much the machine had else to do.
pub(crate) struct Pair {
    pub(crate) ours: f64,
    pub(crate) theirs: f64,
    pub(crate) ratio: f64,
    lowest: f64,
    highest: f64,
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ours, theirs, ratio, lowest, highest } = self;
        write!(f, "{ours:.0} | {theirs:.0} | {ratio:.2} | {lowest:.2} to {highest:.2}")
    }
}

/// Runs both sides in turn; each says how much it did.
pub(crate) async fn paired<A, B>(
    mut ours: impl FnMut() -> A,
    mut theirs: impl FnMut() -> B,
) -> Result<Pair, AnyError>
where
    A: Future<Output = Result<u64, AnyError>>,
    B: Future<Output = Result<u64, AnyError>>,
{
    // The first round warms up both and does not count.
    rate(ours()).await?;
    rate(theirs()).await?;
    let (mut a, mut b, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        a.push(rate(ours()).await?);
        b.push(rate(theirs()).await?);
        ratios.push(a[a.len() - 1] / b[b.len() - 1]);
    }
    let lowest = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = ratios.iter().copied().fold(0.0, f64::max);
    Ok(Pair { ours: median(a), theirs: median(b), ratio: median(ratios), lowest, highest })
}

async fn rate(work: impl Future<Output = Result<u64, AnyError>>) -> Result<f64, AnyError> {
    let began = Instant::now();
    let done = work.await?;
    Ok(done as f64 / began.elapsed().max(Duration::from_nanos(1)).as_secs_f64())
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
