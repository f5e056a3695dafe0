//! Runs: what is loaded into which tables, batch by batch, and what of it is there.

mod batch;
mod hand;
pub mod inserted;
pub mod ledger;
mod observer;
pub mod open;
pub mod origin;
pub mod pax;
pub mod plan;
mod progress;
mod readers;
mod schedule;
pub mod session;
pub mod target;
pub mod verify;
