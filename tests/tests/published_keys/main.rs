//! Providers that publish the keys they sign with. The keys here are made for these tests.

mod paypal;
mod pubsub;
mod sns;
mod vendors;
