//! A short run of every target, always with the same inputs, so that it fails for everyone or for no one.

use fuzz::drive::drive;
use fuzz::{Kind, Target, all, named};

#[test]
fn every_property_holds() {
    for name in all() {
        let mut target = named(name).expect("a target");
        let seen = drive(&mut *target, 5_000, 1).unwrap_or_else(|broken| panic!("{name}: {broken}"));
        for kind in target.kinds() {
            assert!(seen.kinds.contains_key(kind), "{name}: no input was {kind}: {seen:?}");
        }
    }
}

/// Holds but for texts with an `x` before a `y`, and panics if there is a `!` too.
struct Wrong;

impl Target for Wrong {
    fn seeds(&self) -> Vec<Vec<u8>> {
        vec![b"abcdef".to_vec()]
    }

    fn words(&self) -> &[&'static str] {
        &["x", "y"]
    }

    fn kinds(&self) -> &[Kind] {
        &[]
    }

    fn check(&mut self, input: &[u8]) -> Result<Kind, String> {
        let x = input.iter().position(|byte| *byte == b'x');
        let broken = x.is_some_and(|x| input[x..].contains(&b'y'));
        if broken { Err("x before y".to_owned()) } else { Ok("fine") }
    }
}

#[test]
fn what_breaks_a_property_is_found_and_made_short() {
    let broken = drive(&mut Wrong, 100_000, 1).expect_err("it is wrong");
    assert_eq!((broken.input.as_slice(), broken.what.as_str()), (b"xy".as_slice(), "x before y"));
}

#[test]
fn the_same_seed_makes_the_same_inputs() {
    let [one, other] = [(); 2].map(|()| {
        let mut target = named("durations").expect("a target");
        drive(&mut *target, 2_000, 7).expect("it holds").kinds
    });
    assert_eq!(one, other);
}
