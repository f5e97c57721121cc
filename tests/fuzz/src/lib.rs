//! Properties that hold for whatever comes in, and what looks for an input that breaks one.
//!
//! ```text
//! cargo run --release -p fuzz                                  every target, a million inputs each
//! cargo run --release -p fuzz -- json forms                    some of them
//! cargo run --release -p fuzz -- --inputs 50000000             more of it
//! cargo run --release -p fuzz -- --seed 7 json                 the same inputs again
//! ```
//!
//! A [`Target`] is a function of bytes: most read them as a text, some take decisions from them. It says what kind of
//! input they were, or what does not hold. [`drive`](drive::drive) changes seeds at random, keeps a few inputs of each
//! kind to change further, and makes what breaks a property as short as it can. An input that once broke one belongs
//! among the seeds of its target.
//!
//! All goes through the library's own front door; what should come out is worked out a second time, from the
//! documentation, as plainly as can be.

mod decisions;
pub mod drive;
mod mutate;
mod receiver;
mod target;
mod targets;
mod tree;

pub use target::{Kind, Target};
pub use targets::{all, named};
