//! Calls of generating functions as the planner meets them: their rows, statistics and keys, and scans that stream.

pub mod call;
pub mod function_scan;
pub mod statistics;

// Cloudberry sends plans to its segments, which know no node of ours; the planner hooks are PostgreSQL's.
#[cfg(not(feature = "cbdb"))]
mod foreign_keys;
#[cfg(not(feature = "cbdb"))]
mod relation;
#[cfg(not(feature = "cbdb"))]
pub mod scan;
