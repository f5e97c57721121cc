//! For tests of listeners: deliveries that are really signed, a client without a socket, a clock to turn, and trials that
//! tell which listeners are not safe to repeat.
//!
//! The chapter on [testing](crate::docs::testing) shows how they are used.

mod client;
mod compose;
mod delivery;
mod error;
mod key;
mod providers;
mod report;
mod rest;
mod trials;

pub use crate::rehearsal::{RunReport, RunResult};
pub use client::{Client, client};
pub use delivery::TestDelivery;
pub use error::{Error, Result};
pub use key::SigningKey;
pub use providers::{
    delivery, discord, example, github, gitlab, hmac, paypal, shopify, slack, standard_webhooks, stripe,
    twilio,
};
pub use report::Report;
pub use trials::{Finding, Findings, Trial, Trials, trials};
