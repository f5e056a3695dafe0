//! In the place of inserting in bulk, where the library is built for Cloudberry: the executor inserts all.

use super::activity::{Inserted, Path};
use crate::error::{Error, Result};
use millrace_sources::Source;
use pgrx::pg_sys::Oid;
use std::ops::Range;

/// The path for a table whose columns the source fills all: rows reach their segments by the executor alone.
pub fn path(_table: Oid) -> Path {
    Path::Executor
}

/// Not for any table here.
pub fn bulk_insert(
    _tables: &[Oid],
    _name: &str,
    _source: Box<dyn Source>,
    _units: Range<u64>,
) -> Result<Vec<Inserted>> {
    let hint = "INSERT ... SELECT inserts on a cluster.";
    Err(Error::NotSupported { what: "inserting in bulk", hint }.into())
}
