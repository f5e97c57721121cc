//! From a claimed event to its settlement.
//!
//! [`runner`] runs one listener; [`verdict`] says what its result means; [`lease`] keeps the claim alive meanwhile;
//! [`single_flight`] lets a duplicate in this process wait for the first; [`outlive`] lets all of it go on when the client
//! has hung up; [`inline`] puts them together: claim, run, settle.

pub(crate) mod inline;
pub(crate) mod lease;
pub(crate) mod outlive;
pub(crate) mod runner;
pub(crate) mod single_flight;
pub(crate) mod verdict;
