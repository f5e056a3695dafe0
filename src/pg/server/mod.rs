//! The ground floor: the backend, its locks, slots and settings, and what differs between versions.

pub mod cluster;
pub mod compat;
pub mod lock;
#[cfg(not(feature = "cbdb"))]
pub mod prepared;
pub mod process;
pub mod progress;
#[cfg(not(feature = "cbdb"))]
pub mod raw;
pub mod slot;
#[cfg(not(feature = "cbdb"))]
pub mod subtransaction;
pub mod wal;
