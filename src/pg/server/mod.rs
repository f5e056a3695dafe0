//! The ground floor: the backend, its locks, slots and settings, and what differs between versions.

pub mod cluster;
pub mod compat;
pub mod lock;
pub mod process;
pub mod progress;
pub mod raw;
pub mod report;
pub mod slot;
pub mod text;
pub mod wal;
