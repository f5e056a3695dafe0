//! The ground floor: the backend, its locks, slots and settings, and what differs between versions.

pub mod arguments;
pub mod cancel;
pub mod cluster;
pub mod compat;
pub mod explain;
pub mod invalidation;
pub mod lock;
pub mod node;
#[cfg(not(feature = "cbdb"))]
pub mod prepared;
pub mod process;
pub mod progress;
pub mod raw;
#[cfg(not(feature = "cbdb"))]
pub mod relation;
pub mod report;
pub mod role;
pub mod settings;
#[cfg(not(feature = "cbdb"))]
pub mod slot;
pub mod snapshot;
#[cfg(not(feature = "cbdb"))]
pub mod subtransaction;
pub mod text;
pub mod transaction;
pub mod wal;
