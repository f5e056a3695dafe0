//! Plans, as EXPLAIN prints them.

use crate::error::Result;
use crate::pg::server::text::{from_c_string, to_c_string};
use pgrx::{Spi, pg_sys};
use serde_json::Value;
use std::ffi::CStr;

/// The plan of a query; `None` if the server's JSON cannot be read.
pub fn explain(query: &str) -> Result<Option<Value>> {
    let statement = to_c_string(&format!("EXPLAIN (FORMAT json, VERBOSE, COSTS false) {query}"));
    // Not through pgrx, which takes a transaction ID for all that SPI does not call read-only, and a standby has none to give.
    let run = || {
        // SAFETY: SPI is connected, and the statement is a C string.
        Spi::check_status(unsafe { pg_sys::SPI_execute(statement.as_ptr(), false, 0) })?;
        // SAFETY: EXPLAIN has returned a table, whose values are null or C strings; it has as many rows as it says.
        let text = unsafe {
            let table = pg_sys::SPI_tuptable.as_ref().filter(|table| table.numvals > 0);
            table
                .map(|table| pg_sys::SPI_getvalue(*table.vals, table.tupdesc, 1))
                .filter(|text| !text.is_null())
        };
        // SAFETY: as above.
        Ok::<_, pgrx::spi::Error>(text.map(|text| from_c_string(unsafe { CStr::from_ptr(text) })))
    };
    let text = Spi::connect(|_| run())?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}
