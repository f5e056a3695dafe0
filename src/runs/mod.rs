//! Runs: what is loaded into which tables, batch by batch, and what of it is there.

mod batch;
pub mod inserted;
pub mod ledger;
pub mod open;
pub mod origin;
pub mod pax;
pub mod plan;
mod readers;
mod schedule;
pub mod session;
pub mod target;
pub mod verify;
