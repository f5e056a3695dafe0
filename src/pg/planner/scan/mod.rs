//! The streaming scan: generating functions in FROM without storing their rows first.
//!
//! PostgreSQL's function scan runs a function to its end before it returns the first row. This custom
//! scan takes its place: rows stream, so LIMIT stops early; only the columns that are read are made; and
//! workers share the work by taking ranges of units from a common counter.
//!
//! The plan node has no relation of its own to scan (`scanrelid` 0), because the executor would open it
//! as a table. Its rows are those of `custom_scan_tlist`, the columns that the query reads.

mod execute;
mod explain;
mod plan;
mod share;

use pgrx::pg_sys;
use std::ffi::CStr;

const NAME: &CStr = c"MillraceScan";

/// Methods that PostgreSQL takes by pointer and never writes to.
struct Methods<T>(T);

// SAFETY: the structs hold function pointers and static strings, and are never written to.
unsafe impl<T> Sync for Methods<T> {}

static PATH: Methods<pg_sys::CustomPathMethods> = Methods(pg_sys::CustomPathMethods {
    CustomName: NAME.as_ptr(),
    PlanCustomPath: Some(plan::plan),
    ReparameterizeCustomPathByChild: None,
});

static SCAN: Methods<pg_sys::CustomScanMethods> = Methods(pg_sys::CustomScanMethods {
    CustomName: NAME.as_ptr(),
    CreateCustomScanState: Some(execute::create_state),
});

static EXEC: Methods<pg_sys::CustomExecMethods> = Methods(pg_sys::CustomExecMethods {
    CustomName: NAME.as_ptr(),
    BeginCustomScan: Some(execute::begin),
    ExecCustomScan: Some(execute::execute),
    EndCustomScan: Some(execute::end),
    ReScanCustomScan: Some(execute::rescan),
    MarkPosCustomScan: None,
    RestrPosCustomScan: None,
    EstimateDSMCustomScan: Some(share::estimate),
    InitializeDSMCustomScan: Some(share::initialize),
    ReInitializeDSMCustomScan: Some(share::reinitialize),
    InitializeWorkerCustomScan: Some(share::initialize_worker),
    ShutdownCustomScan: None,
    ExplainCustomScan: Some(explain::explain),
});

/// Offers the scan to the planner; called when the library is loaded.
pub fn register() {
    // SAFETY: the methods are static, and their names are known to nobody else.
    unsafe { pg_sys::RegisterCustomScanMethods(&SCAN.0) };
    plan::register();
}
