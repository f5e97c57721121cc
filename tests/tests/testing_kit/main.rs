//! `webhooks::testing`: what its users' tests are made of.

mod client;
mod database;
mod inbox;
mod payloads;
mod signing;
mod trials;
