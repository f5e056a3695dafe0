//! The ground floor: the backend, its locks, slots and settings, and what differs between versions.

pub mod arguments;
pub mod cluster;
pub mod compat;
pub mod lock;
pub mod process;
pub mod progress;
#[cfg(not(feature = "cbdb"))]
pub mod raw;
pub mod slot;
pub mod wal;
