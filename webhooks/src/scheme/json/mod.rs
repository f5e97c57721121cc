//! Reading a few places of a JSON text without building the rest.

mod extract;
mod path;

pub(super) use extract::{Extract, Flaw, text};
pub(super) use path::JsonPath;
