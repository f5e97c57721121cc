//! The same requests, by us and by what people use today.
//!
//! ```text
//! cargo run --release --manifest-path tests/rivals/Cargo.toml
//! ```
//!
//! Rivals in other languages are the packages that `./tests/run` installs for its own tests, in `target/interop`;
//! `WEBHOOKS_TEST_NODE_MODULES` and `WEBHOOKS_TEST_PYTHON` name other places.

#![allow(clippy::print_stdout, reason = "it is a report")]

mod elsewhere;
mod here;
mod ours;
mod request;

use elsewhere::Language::{self, Node, Python};
use ours::Until;
use request::{Make, Request};
use webhook_verify::Provider;

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// Handles so many requests; nanoseconds each.
type Side<'a> = Box<dyn Fn(u32) -> Result<f64, AnyError> + 'a>;

const ROUNDS: usize = 7;
const REQUESTS: u32 = 20_000;

fn main() -> Result<(), AnyError> {
    let [stripe, github, standard] =
        [Request::stripe as Make, Request::github, Request::standard_webhooks].map(|make| make(0));
    let elsewhere = |language: Language, package: &'static str, request| -> Side<'_> {
        Box::new(move |count| elsewhere::nanoseconds(language, package, request, count))
    };
    println!("| 1 KiB body | both | rival, ns | ours, ns | rival / ours (goal: over 1) |\n|---|---|---|---|---|");
    let verify = "verify";
    let rival = here::webhook_verify(Provider::Stripe, &stripe);
    compare("webhook-verify, Stripe", verify, &rival, &ours::verify_stripe(&stripe))?;
    let rival = here::webhook_verify(Provider::GitHub, &github);
    compare("webhook-verify, GitHub", verify, &rival, &ours::verify_github(&github))?;
    let verify = "verify; ours identifies and looks for listeners too";
    let identify = ours::pipeline(Request::standard_webhooks, Until::Identified)?;
    compare("standardwebhooks", verify, &here::standardwebhooks(&standard)?, &identify)?;

    let decode = "verify and decode";
    let ours = ours::decode_stripe(&stripe);
    compare("async-stripe-webhook", decode, &here::async_stripe(&stripe), &ours)?;
    compare("stripe, npm", decode, &elsewhere(Node, "stripe", &stripe), &ours)?;
    compare("stripe, PyPI", decode, &elsewhere(Python, "stripe", &stripe), &ours)?;
    let ours = ours::decode_github(&github);
    let methods = elsewhere(Node, "@octokit/webhooks-methods", &github);
    compare("@octokit/webhooks-methods, npm", decode, &methods, &ours)?;

    let whole = "verify and decode; ours also claims, runs the listener and settles";
    let ours = ours::pipeline(Request::stripe, Until::Handled)?;
    compare("async-stripe-webhook", whole, &here::async_stripe(&stripe), &ours)?;
    compare("stripe, npm", whole, &elsewhere(Node, "stripe", &stripe), &ours)?;
    compare("stripe, PyPI", whole, &elsewhere(Python, "stripe", &stripe), &ours)?;
    let ours = ours::pipeline(Request::github, Until::Handled)?;
    let octokit = elsewhere(Node, "@octokit/webhooks", &github);
    compare("@octokit/webhooks, npm, which runs a listener too", whole, &octokit, &ours)?;
    let ours = ours::pipeline(Request::standard_webhooks, Until::Handled)?;
    compare("standardwebhooks, npm", whole, &elsewhere(Node, "standardwebhooks", &standard), &ours)?;
    compare("standardwebhooks, PyPI", whole, &elsewhere(Python, "standardwebhooks", &standard), &ours)
}

/// Both sides take turns, so that what the machine does to one it does to the other; medians.
fn compare(name: &str, work: &str, rival: &Side<'_>, ours: &Side<'_>) -> Result<(), AnyError> {
    let (mut theirs, mut own, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        theirs.push(rival(REQUESTS)?);
        own.push(ours(REQUESTS)?);
        ratios.push(theirs[theirs.len() - 1] / own[own.len() - 1]);
    }
    println!("| {name} | {work} | {:.0} | {:.0} | {:.2} |", median(theirs), median(own), median(ratios));
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
