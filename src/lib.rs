//! Benchmark data made inside the server and streamed into tables, committing batch by batch.
//!
//! The data comes from [`millrace_sources`]; here is what gives it a SQL surface: [`generate`] returns
//! rows to a query, [`ingest`] writes them to tables, [`verify`] compares the two, [`export`] writes them to
//! files, [`tpch`] is the TPC-H kit on top of them. All that touches the server's C API is in [`pg`].

#![deny(unsafe_code)]
// What only the scan and bulk inserts use.
#![cfg_attr(feature = "cbdb", allow(dead_code))]

mod error;
mod export;
mod generate;
mod guc;
mod ingest;
mod ledger;
mod origin;
mod pg;
mod plan;
mod relation;
mod run;
mod storage;
mod tpch;
mod verify;

#[cfg(any(test, feature = "pg_test"))]
mod tests;

use pgrx::prelude::*;

// What pg_get_loaded_modules() shows since PostgreSQL 18; the macro of Cloudberry's fork takes neither.
#[cfg(not(feature = "cbdb"))]
pgrx::pg_module_magic!(name = c"millrace", version = VERSION);
#[cfg(feature = "cbdb")]
pgrx::pg_module_magic!();

#[cfg(not(feature = "cbdb"))]
const VERSION: &std::ffi::CStr =
    match std::ffi::CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => c"",
    };

extension_sql_file!("../sql/types.sql", name = "types");
extension_sql_file!("../sql/engine.sql", name = "engine", requires = ["types"]);
extension_sql_file!("../sql/generate.sql", name = "generate", requires = ["engine"]);
extension_sql_file!("../sql/export.sql", name = "export", requires = ["generate"]);
extension_sql_file!("../sql/ledger.sql", name = "ledger", requires = ["types"]);
extension_sql_file!("../sql/ingest.sql", name = "ingest", requires = ["generate", "ledger"]);
extension_sql_file!("../sql/tpch.sql", name = "tpch", requires = ["ingest"]);
extension_sql_file!("../sql/bench.sql", name = "bench", requires = ["ingest"]);
extension_sql_file!("../sql/report.sql", name = "report", requires = ["bench", "tpch"]);
// Last, because it tells Cloudberry where all functions run and all tables lie.
extension_sql_file!("../sql/cluster.sql", name = "cluster", requires = ["report", "export"], finalize);

/// Called when the library is loaded, by the postmaster if it is in `shared_preload_libraries`.
#[allow(non_snake_case)]
#[pg_guard]
pub extern "C-unwind" fn _PG_init() {
    if pg::process::is_preloading() {
        // Made before the postmaster forks, the text pool is shared by all backends. It must not have threads.
        millrace_sources::tpch::build_text_pool(1);
        pg::process::note_preloaded();
    }
    guc::register();
    #[cfg(feature = "pg_test")]
    pg::cluster::register_for_tests();
    pg::workers::register_release_on_abort();
    #[cfg(not(feature = "cbdb"))]
    pg::scan::register();
    pg::statistics::register();
}

/// What `cargo pgrx test` asks for.
#[cfg(test)]
pub mod pg_test {
    /// Called once, before the tests.
    pub fn setup(_options: Vec<&str>) {}

    /// Settings of the test server.
    #[must_use]
    pub fn postgresql_conf_options() -> Vec<&'static str> {
        vec![]
    }
}
