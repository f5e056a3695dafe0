//! Inserting in bulk: rows formed from Arrow columns, handed to a table's access method and its indexes.

use pgrx::pg_sys;

// From 16 on the server itself reserves pages ahead.
#[cfg(any(feature = "pg14", feature = "pg15"))]
mod growth;
mod index;
pub mod insert;
mod leaf;
pub mod plain;
mod route;
mod table;

const ROW_EXCLUSIVE: pg_sys::LOCKMODE = pg_sys::RowExclusiveLock as pg_sys::LOCKMODE;
/// Takes no lock, or gives none back: locks stay to the end of the transaction.
const NO_LOCK: pg_sys::LOCKMODE = pg_sys::NoLock as pg_sys::LOCKMODE;
/// Rows handed to the access method at once, about as many as COPY hands over.
const ROWS_AT_ONCE: usize = 1024;
