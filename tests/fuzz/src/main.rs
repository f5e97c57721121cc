//! The command line: see the crate's documentation.

#![allow(clippy::print_stdout, reason = "it is a report")]

use std::process::ExitCode;

use fuzz::drive::{Broken, Seen, drive};
use fuzz::{Target, all, named};

const INPUTS: u64 = 1_000_000;

struct Arguments {
    targets: Vec<String>,
    inputs: u64,
    seed: u64,
}

fn main() -> ExitCode {
    let arguments = match arguments(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(mistake) => {
            println!("{mistake}\nusage: fuzz [--inputs N] [--seed N] [TARGET…]");
            return ExitCode::FAILURE;
        }
    };
    println!("seed {}, {} inputs a target", arguments.seed, arguments.inputs);
    // Each on a thread of its own; they are told apart by their names.
    let reports = std::thread::scope(|scope| {
        let run = |name: &String| {
            let (name, arguments) = (name.clone(), &arguments);
            scope.spawn(move || report(&name, arguments))
        };
        let running: Vec<_> = arguments.targets.iter().map(run).collect();
        running.into_iter().map(|it| it.join().unwrap_or(false)).collect::<Vec<_>>()
    });
    if reports.into_iter().all(|held| held) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a target and prints what came of it. Whether its property held.
fn report(name: &str, arguments: &Arguments) -> bool {
    let Some(mut target) = named(name) else { return false };
    match drive(&mut *target, arguments.inputs, arguments.seed) {
        Ok(seen) => {
            println!("{}", told(name, &seen));
            let missing = missing(&*target, &seen);
            if !missing.is_empty() {
                println!("{name}: never seen: {}", missing.join(", "));
            }
            missing.is_empty()
        }
        Err(Broken { input, what }) => {
            println!("{name}: BROKEN: {}", Broken { input, what });
            false
        }
    }
}

fn told(name: &str, seen: &Seen) -> String {
    let kinds: Vec<_> = seen.kinds.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    let seconds = seen.took.as_secs_f64();
    format!("{name}: {} inputs in {seconds:.0} s: {}", seen.inputs, kinds.join(", "))
}

fn missing(target: &dyn Target, seen: &Seen) -> Vec<&'static str> {
    target.kinds().iter().copied().filter(|kind| !seen.kinds.contains_key(kind)).collect()
}

fn arguments(mut given: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut arguments = Arguments { targets: Vec::new(), inputs: INPUTS, seed: fastrand::u64(..) };
    let number = |option: &str, value: Option<String>| {
        value.and_then(|it| it.parse().ok()).ok_or_else(|| format!("{option} wants a number"))
    };
    while let Some(argument) = given.next() {
        match argument.as_str() {
            "--inputs" => arguments.inputs = number("--inputs", given.next())?,
            "--seed" => arguments.seed = number("--seed", given.next())?,
            name if named(name).is_some() => arguments.targets.push(argument),
            other => return Err(format!("there is no target `{other}`; there are {}", all().join(", "))),
        }
    }
    if arguments.targets.is_empty() {
        arguments.targets = all().into_iter().map(str::to_owned).collect();
    }
    Ok(arguments)
}
