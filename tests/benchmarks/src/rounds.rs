//! Paired rounds: both sides take turns, so that what the machine does to one it does to the other.

use std::future::Future;
use std::time::{Duration, Instant};

use crate::AnyError;

const ROUNDS: usize = 7;

/// The medians of a pair: how often a second each side did its work, and the median of the rounds' ratios.
pub(crate) struct Pair {
    pub(crate) ours: f64,
    pub(crate) theirs: f64,
    pub(crate) ratio: f64,
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
    Ok(Pair { ours: median(a), theirs: median(b), ratio: median(ratios) })
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
