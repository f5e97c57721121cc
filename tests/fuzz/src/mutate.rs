//! Inputs out of inputs.

use fastrand::Rng;

/// The longest input. Longer ones find nothing new, and take longer.
const MAX_LEN: usize = 1_024;

/// Changes an input in one to four places; now and then with a part of `other`.
pub(crate) fn mutate(random: &mut Rng, input: &[u8], other: &[u8], words: &[&str]) -> Vec<u8> {
    let mut changed = input.to_vec();
    for _ in 0..random.u8(1..=4) {
        let at = random.usize(0..=changed.len());
        match random.u8(0..10) {
            0 if at < changed.len() => changed[at] ^= 1 << random.u8(0..7),
            1 if at < changed.len() => changed[at] = byte(random),
            2 => changed.insert(at, byte(random)),
            3 => drop(changed.drain(at..some(random, at, changed.len()))),
            4 => {
                let piece = changed[at..some(random, at, changed.len())].to_vec();
                splice(&mut changed, random, &piece);
            }
            5 | 6 if !words.is_empty() => {
                let word = words[random.usize(0..words.len())];
                splice(&mut changed, random, word.as_bytes());
            }
            7 if !words.is_empty() => {
                let word = words[random.usize(0..words.len())];
                let end = some(random, at, changed.len());
                changed.splice(at..end, word.bytes());
            }
            8 => {
                let from = random.usize(0..=other.len());
                let piece = other[from..some(random, from, other.len())].to_vec();
                splice(&mut changed, random, &piece);
            }
            // A digit becomes another: numbers are what limits are about.
            _ if at < changed.len() && changed[at].is_ascii_digit() => changed[at] = random.u8(b'0'..=b'9'),
            _ => {}
        }
    }
    changed.truncate(MAX_LEN);
    changed
}

/// The shortest input that still `fails`, as far as leaving bytes out goes.
pub(crate) fn shorten(input: &[u8], mut fails: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
    let mut shortest = input.to_vec();
    let mut width = shortest.len().div_ceil(2);
    while width > 0 {
        let mut at = 0;
        while at < shortest.len() {
            let end = (at + width).min(shortest.len());
            let shorter = [&shortest[..at], &shortest[end..]].concat();
            if fails(&shorter) {
                shortest = shorter;
            } else {
                at = end;
            }
        }
        width /= 2;
    }
    shortest
}

/// Mostly one that stands in texts.
fn byte(random: &mut Rng) -> u8 {
    if random.u8(0..16) == 0 { random.u8(..) } else { random.u8(b' '..=b'~') }
}

/// The end of a range that begins at `at`: mostly near.
fn some(random: &mut Rng, at: usize, len: usize) -> usize {
    let far = if random.u8(0..8) == 0 { len } else { at.saturating_add(8) };
    random.usize(at..=far.clamp(at, len))
}

fn splice(bytes: &mut Vec<u8>, random: &mut Rng, piece: &[u8]) {
    let at = random.usize(0..=bytes.len());
    bytes.splice(at..at, piece.iter().copied());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_is_made_as_short_as_it_goes() {
        assert_eq!(shorten(b"abcxdefyghi", |it| it.contains(&b'x') && it.contains(&b'y')), b"xy");
    }
}
