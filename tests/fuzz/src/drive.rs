//! Hands a target one input after the other.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::mutate::{mutate, shorten};
use crate::target::{Kind, Target};

/// So many inputs of each kind that is looked for are kept to be changed further.
const KEPT: usize = 64;

/// What a run has seen.
#[derive(Debug)]
pub struct Seen {
    /// How many inputs there were.
    pub inputs: u64,
    /// How many of each kind.
    pub kinds: BTreeMap<Kind, u64>,
    /// How long it took.
    pub took: Duration,
}

/// An input that breaks the property.
#[derive(Debug)]
pub struct Broken {
    /// As short as it could be made.
    pub input: Vec<u8>,
    /// What does not hold.
    pub what: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n  for b\"{}\"", self.what, self.input.escape_ascii())
    }
}

/// Checks the target with so many inputs, the same ones for the same seed.
///
/// # Errors
/// With the first input that breaks the property.
pub fn drive(target: &mut dyn Target, inputs: u64, seed: u64) -> Result<Seen, Broken> {
    let began = Instant::now();
    let mut random = Rng::with_seed(seed);
    let seeds = target.seeds();
    let words = target.words().to_vec();
    let mut kinds: BTreeMap<Kind, u64> = BTreeMap::new();
    let mut kept: BTreeMap<Kind, Vec<Vec<u8>>> = BTreeMap::new();
    for number in 0..inputs {
        let untouched = usize::try_from(number).ok().and_then(|at| seeds.get(at));
        let input = untouched.cloned().unwrap_or_else(|| {
            let [one, other] = [(); 2].map(|()| pick(&mut random, &seeds, &kept));
            mutate(&mut random, one, other, &words)
        });
        let kind = check(target, &input).map_err(|_| broken(target, &input))?;
        *kinds.entry(kind).or_default() += 1;
        if !target.kinds().contains(&kind) {
            continue;
        }
        let alike = kept.entry(kind).or_default();
        if alike.len() < KEPT {
            alike.push(input);
        } else if random.u8(0..16) == 0 {
            alike[random.usize(0..KEPT)] = input;
        }
    }
    Ok(Seen { inputs, kinds, took: began.elapsed() })
}

/// A seed, or an input of any of the kinds that were seen: rare ones as often as common ones.
fn pick<'a>(random: &mut Rng, seeds: &'a [Vec<u8>], kept: &'a BTreeMap<Kind, Vec<Vec<u8>>>) -> &'a [u8] {
    if kept.is_empty() || random.u8(0..4) == 0 {
        return seeds.get(random.usize(0..seeds.len().max(1))).map_or(&[], Vec::as_slice);
    }
    let alike = kept.values().nth(random.usize(0..kept.len()));
    alike.and_then(|alike| alike.get(random.usize(0..alike.len().max(1)))).map_or(&[], Vec::as_slice)
}

/// A panic breaks every property.
fn check(target: &mut dyn Target, input: &[u8]) -> Result<Kind, String> {
    catch_unwind(AssertUnwindSafe(|| target.check(input))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        Err(format!("it panicked: {}", text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("?")))
    })
}

fn broken(target: &mut dyn Target, input: &[u8]) -> Broken {
    let input = shorten(input, |shorter| check(target, shorter).is_err());
    let what = check(target, &input).err().unwrap_or_else(|| "it does not fail a second time".to_owned());
    Broken { input, what }
}
