//! Reading a few places of a JSON text without building the rest, and writing to them.

mod extract;
mod path;
mod put;

pub(super) use extract::{Extract, Flaw, text};
pub(super) use path::JsonPath;
pub(super) use put::{put, quoted};
