//! Inserting in bulk: rows formed from Arrow columns, handed to a table's access method and its indexes.

// From 16 on the server itself reserves pages ahead.
#[cfg(any(feature = "pg14", feature = "pg15"))]
mod growth;
mod index;
pub mod insert;
mod leaf;
pub mod plain;
mod route;
mod table;

/// Rows handed to the access method at once, about as many as COPY hands over.
const ROWS_AT_ONCE: usize = 1024;
