//! Benchmark data made inside the server and streamed into tables, committing batch by batch.
//!
//! The data comes from [`millrace_sources`], and this crate gives it a SQL interface: [`generate`] returns rows to a query,
//! [`runs`] load them into tables, [`export`] writes them to files, and [`kit`] makes the TPC's benchmarks of them.
//! Everything that touches the server's C API is in [`pg`].

#![deny(unsafe_code)]

mod bench;
mod call;
mod error;
mod export;
mod generate;
mod guc;
mod histogram;
mod history;
mod kit;
mod pg;
mod runs;
mod tpch;

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

// In this order, which scripts/upgrade-script reads here as well.
extension_sql_file!("../sql/types.sql", name = "types");
extension_sql_file!("../sql/engine.sql", name = "engine", requires = ["types"]);
extension_sql_file!("../sql/generate.sql", name = "generate", requires = ["engine"]);
extension_sql_file!("../sql/export.sql", name = "export", requires = ["generate"]);
extension_sql_file!("../sql/runs/ledger.sql", name = "runs_ledger", requires = ["export"]);
extension_sql_file!("../sql/bench/sources.sql", name = "bench_sources", requires = ["runs_ledger"]);
extension_sql_file!("../sql/bench/ledger.sql", name = "bench_ledger", requires = ["bench_sources"]);
extension_sql_file!("../sql/runs/views.sql", name = "runs_views", requires = ["bench_ledger"]);
extension_sql_file!("../sql/runs/procedures.sql", name = "runs_procedures", requires = ["runs_views"]);
extension_sql_file!("../sql/kit/queries.sql", name = "kit_queries", requires = ["runs_procedures"]);
extension_sql_file!("../sql/kit/load.sql", name = "kit_load", requires = ["kit_queries"]);
extension_sql_file!("../sql/tpch/kit.sql", name = "tpch_kit", requires = ["kit_load"]);
extension_sql_file!("../sql/tpch/refresh.sql", name = "tpch_refresh", requires = ["tpch_kit"]);
extension_sql_file!("../sql/tpcds/types.sql", name = "tpcds_types", requires = ["tpch_refresh"]);
extension_sql_file!("../sql/tpcds/generate.sql", name = "tpcds_generate", requires = ["tpcds_types"]);
extension_sql_file!("../sql/tpcds/export.sql", name = "tpcds_export", requires = ["tpcds_generate"]);
extension_sql_file!("../sql/tpcds/kit.sql", name = "tpcds_kit", requires = ["tpcds_export"]);
extension_sql_file!("../sql/bench/variants.sql", name = "bench_variants", requires = ["tpcds_kit"]);
extension_sql_file!("../sql/bench/tables.sql", name = "bench_tables", requires = ["bench_variants"]);
extension_sql_file!("../sql/bench/queries.sql", name = "bench_queries", requires = ["bench_tables"]);
extension_sql_file!("../sql/bench/procedures.sql", name = "bench_procedures", requires = ["bench_queries"]);
extension_sql_file!("../sql/bench/views.sql", name = "bench_views", requires = ["bench_procedures"]);
extension_sql_file!("../sql/bench/readers.sql", name = "bench_readers", requires = ["bench_views"]);
extension_sql_file!("../sql/bench/rates.sql", name = "bench_rates", requires = ["bench_readers"]);
extension_sql_file!("../sql/bench/gates.sql", name = "bench_gates", requires = ["bench_rates"]);
// Last, because it tells Cloudberry where all functions run and where all tables are stored.
extension_sql_file!("../sql/cluster.sql", name = "cluster", requires = ["bench_gates"], finalize);

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
    pg::server::process::reserve_setting_names();
    #[cfg(feature = "pg_test")]
    pg::server::cluster::register_for_tests();
    pg::workers::crew::register_work(runs::session::work);
    pg::server::transaction::on_abort(transaction_failed);
    #[cfg(not(feature = "cbdb"))]
    pg::planner::scan::register();
    pg::planner::statistics::register();
    pg::planner::function_scan::register(generate::STREAMING);
}

/// Discards what this session keeps from transaction to transaction when one fails.
fn transaction_failed() {
    runs::session::abandon();
    tpch::abandon_refresh();
}

/// What `cargo pgrx test` needs.
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
