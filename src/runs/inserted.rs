//! What became of a batch in one of its tables.

use crate::pg::server::progress::Measured;

/// How rows get into a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// The table's access method takes them in bulk.
    Bulk,
    /// The executor inserts them, `INSERT ... SELECT`.
    Executor,
}

impl Path {
    /// As the ledger calls it.
    pub fn name(self) -> &'static str {
        match self {
            Path::Bulk => "bulk",
            Path::Executor => "executor",
        }
    }
}

/// How a batch was inserted into a table, and what that took.
#[derive(Debug, Clone, Copy)]
pub struct Inserted {
    pub path: Path,
    pub measured: Measured,
}

impl Inserted {
    /// Nothing so far.
    pub fn none(path: Path) -> Self {
        Self { path, measured: Measured::default() }
    }
}
