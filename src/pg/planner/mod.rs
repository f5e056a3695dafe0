//! Calls of generating functions as the planner meets them: their rows, statistics and keys, and a scan that streams.

pub mod call;
pub mod statistics;

// Cloudberry sends plans to its segments, which know no node of ours; the planner hooks are PostgreSQL's.
#[cfg(not(feature = "cbdb"))]
mod foreign_keys;
#[cfg(not(feature = "cbdb"))]
mod relation;
#[cfg(not(feature = "cbdb"))]
pub mod scan;
