//! Queries of any columns, run as they are, and their plans.
//!
//! In FROM of another, a query is not the same query: its order can be lost and, on Cloudberry, the optimizer ORCA as well, which leaves
//! statements that read rows as a whole to the planner.

use crate::error::Result;
use crate::pg::server::text::{Text, from_c_string, to_c_string};
use pgrx::pg_sys::{self, Datum, HeapTuple, TupleDesc};
use pgrx::{FromDatum, Spi, direct_function_call_as_datum};
use serde_json::Value;
use std::ffi::CStr;

/// Runs a query to its end, in the snapshot that is active, and reads none of its rows, which take no memory.
pub fn run(query: &str) -> Result<()> {
    let query = to_c_string(query);
    let run = || {
        // SAFETY: SPI is connected. The query is a C string, and the receiver is the server's own that discards rows.
        let status = unsafe {
            let dest = pg_sys::CreateDestReceiver(pg_sys::CommandDest::DestNone);
            let options = pg_sys::SPIExecuteOptions { dest, read_only: true, ..Default::default() };
            pg_sys::SPI_execute_extended(query.as_ptr(), &options)
        };
        Spi::check_status(status).map(|_| ())
    };
    Ok(Spi::connect(|_| run())?)
}

/// Runs a statement and reads its rows.
///
/// Not through pgrx, which takes a transaction ID for all that SPI does not call read-only, and a standby has none to give.
fn read_rows<T>(statement: &str, read: impl Fn(HeapTuple, TupleDesc) -> T) -> Result<Vec<T>> {
    let statement = to_c_string(statement);
    let run = || {
        // SAFETY: SPI is connected, and the statement is a C string.
        Spi::check_status(unsafe { pg_sys::SPI_execute(statement.as_ptr(), false, 0) })?;
        // SAFETY: what has rows has a table of them, with as many as SPI says.
        let rows = unsafe {
            match pg_sys::SPI_tuptable.as_ref() {
                Some(table) => (0..pg_sys::SPI_processed as usize)
                    .map(|row| read(*table.vals.add(row), table.tupdesc))
                    .collect(),
                None => Vec::new(),
            }
        };
        Ok::<_, pgrx::spi::Error>(rows)
    };
    Ok(Spi::connect(|_| run())?)
}

/// The rows of a query, each a JSON object with its columns in order.
pub fn rows_as_json(query: &str) -> Result<Vec<Text>> {
    let rows = read_rows(query, |row, row_type| {
        // SAFETY: a row of SPI's and its type, of which a datum is made; from that the server's function makes JSON, as it is
        // stored, which is as text is stored.
        unsafe {
            let row = Datum::from(pg_sys::SPI_returntuple(row, row_type));
            let json = direct_function_call_as_datum(pg_sys::row_to_json, &[Some(row)]);
            Text::from_polymorphic_datum(json.unwrap_or(Datum::null()), json.is_none(), pg_sys::JSONOID)
        }
    })?;
    Ok(rows.into_iter().flatten().collect())
}

/// The plan of a query, as EXPLAIN prints it; `None` if the server's JSON cannot be read.
pub fn explain(query: &str) -> Result<Option<Value>> {
    let rows =
        read_rows(&format!("EXPLAIN (FORMAT json, VERBOSE, COSTS false) {query}"), |row, row_type| {
            // SAFETY: a row of SPI's and its type. The value is null or a C string.
            unsafe {
                let text = pg_sys::SPI_getvalue(row, row_type, 1);
                (!text.is_null()).then(|| from_c_string(CStr::from_ptr(text)))
            }
        })?;
    Ok(rows.into_iter().flatten().next().and_then(|text| serde_json::from_str(&text).ok()))
}
