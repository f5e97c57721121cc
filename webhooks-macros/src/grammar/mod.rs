//! The small languages inside an attribute's strings.
//!
//! Each is a function from a string to its meaning or to a sentence that says what is wrong and what to
//! write instead; the library reads the same languages from settings.

mod duration;
mod name;
mod pattern;
mod pointer;

pub(crate) use duration::duration;
pub(crate) use name::{listener_id, source, validator_name};
pub(crate) use pattern::pattern;
pub(crate) use pointer::pointer;
