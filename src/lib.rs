//! Benchmark data made inside the server and streamed into tables, committing batch by batch.
//!
//! The data comes from [`millrace_sources`]; here is what gives it a SQL surface: [`generate`] returns
//! rows to a query, [`runs`] load them into tables, [`export`] writes them to files, [`tpch`] is the TPC-H kit on top of them. All that touches the server's C API is in [`pg`].

#![deny(unsafe_code)]

mod call;
mod error;
mod export;
mod generate;
mod guc;
mod pg;
mod runs;
mod tpch;

#[cfg(any(test, feature = "pg_test"))]
mod tests;

use pgrx::prelude::*;

pgrx::pg_module_magic!();

extension_sql_file!("../sql/types.sql", name = "types");
extension_sql_file!("../sql/engine.sql", name = "engine", requires = ["types"]);
extension_sql_file!("../sql/generate.sql", name = "generate", requires = ["engine"]);
extension_sql_file!("../sql/export.sql", name = "export", requires = ["generate"]);
extension_sql_file!("../sql/ledger.sql", name = "ledger", requires = ["types"]);
extension_sql_file!("../sql/ingest.sql", name = "ingest", requires = ["generate", "ledger"]);
extension_sql_file!("../sql/tpch.sql", name = "tpch", requires = ["ingest"]);
extension_sql_file!("../sql/bench/sources.sql", name = "bench_sources", requires = ["types"]);
extension_sql_file!("../sql/bench.sql", name = "bench", requires = ["ingest", "bench_sources"]);
extension_sql_file!("../sql/report.sql", name = "report", requires = ["bench", "tpch"]);
// Last, because it tells Cloudberry where all functions run and all tables lie.
extension_sql_file!("../sql/cluster.sql", name = "cluster", requires = ["report", "export"], finalize);

/// Called when the library is loaded, by the postmaster if it is in `shared_preload_libraries`.
#[allow(non_snake_case)]
#[pg_guard]
pub extern "C-unwind" fn _PG_init() {
    if pg::server::process::is_preloading() {
        // What is prepared before the postmaster forks is shared by all backends. It must not have threads.
        millrace_sources::registry::prepare(1);
        pg::server::process::note_preloaded();
    }
    guc::register();
    #[cfg(feature = "pg_test")]
    pg::server::cluster::register_for_tests();
    pg::workers::crew::register_work(runs::session::work);
    pg::workers::crew::register_release_on_abort();
    #[cfg(not(feature = "cbdb"))]
    pg::planner::scan::register();
    pg::planner::statistics::register();
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
