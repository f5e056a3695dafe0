//! All that touches the server's C API, and the only unsafe code.
//!
//! Each floor uses only those below it: `server` <- `values` <- `planner`, `load` <- `workers`. Of the rest of the crate
//! they know `error`, `guc` and `call` (`pgrx-tests/tests/structure.rs` reads the imports).
#![allow(unsafe_code)]

#[cfg(not(feature = "cbdb"))]
pub mod load;
pub mod planner;
pub mod server;
pub mod values;
pub mod workers;
