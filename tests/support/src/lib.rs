//! What the tests are made with. Only [`inside`], [`sample`], [`scripted`], [`inbox`] and [`settings_file`]
//! use the library under test.
//!
//! - [`inside`]: webhooks in the test's own process, and a listener that remembers
//! - [`sample`]: a genuine request of each provider
//! - [`log`]: what is logged, line by line
//! - [`metrics`]: what is measured, as Prometheus would read it
//! - [`process`]: start a built program, read its lines, signal it
//! - [`certificate`]: a certificate for `localhost`, and who vouches for it
//! - [`redis_server`]: a private Redis or Valkey to kill, pause and restart
//! - [`postgres_server`]: a private PostgreSQL, the same
//! - [`http`]: HTTP/1.1 by hand: slow, partial or malformed requests
//! - [`described`]: the same for every scheme of the catalogue, out of its files
//! - [`sign`]: the providers' signatures, written a second time
//! - [`scripted`]: listeners that do what a test says, and claims that several instances share
//! - [`fleet`]: `probe` processes that share a Redis
//! - [`inbox`]: webhooks with an inbox, in the test's own process and in a `probe`
//! - [`relay`]: a way to a server that can be broken
//! - [`postgres_relay`]: one to PostgreSQL that is cut during a COMMIT
//! - [`receiver`]: the example of that name, with settings of a test's own
//! - [`settings_file`]: settings in a file, and what startup says of them
//! - [`free_port`]: a port to listen on

pub mod certificate;
pub mod described;
pub mod fleet;
pub mod http;
pub mod inbox;
pub mod inside;
mod lines;
pub mod log;
pub mod metrics;
mod port;
pub mod postgres_relay;
pub mod postgres_server;
pub mod process;
pub mod receiver;
pub mod redis_server;
pub mod relay;
pub mod sample;
pub mod scripted;
pub mod settings_file;
pub mod sign;

pub use port::free_port;
