//! Effects that happen exactly once: what a listener writes into the user's own database commits together with a row
//! that says that it ran.
//!
//! [`work`] is one run's transaction; [`transient`] tells errors that pass by themselves; [`table`] makes and checks the
//! table, [`sweep`] forgets its oldest rows.

pub(crate) mod sweep;
pub(crate) mod table;
pub(crate) mod transient;
pub(crate) mod work;
