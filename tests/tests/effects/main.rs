//! Effects that happen exactly once: a listener's `Tx`, under everything that goes wrong.

mod bank;
mod commit;
mod crash;
mod once;
mod startup;
