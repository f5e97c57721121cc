//! What the tests are made with. Nothing here uses the library under test.
//!
//! - [`process`]: start a built program, read its lines, signal it
//! - [`redis_server`]: a private Redis or Valkey to kill, pause and restart
//! - [`http`]: HTTP/1.1 by hand: slow, partial or malformed requests
//! - [`sign`]: the providers' signatures, written a second time
//! - [`free_port`]: a port to listen on

pub mod http;
mod port;
pub mod process;
pub mod redis_server;
pub mod sign;

pub use port::free_port;
