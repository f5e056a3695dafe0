//! All settings.

use pgrx::{GucContext, GucFlags, GucRegistry, GucSetting};

static ENABLE_SCAN: GucSetting<bool> = GucSetting::<bool>::new(true);
static STREAM_FUNCTION_SCANS: GucSetting<bool> = GucSetting::<bool>::new(true);
static ENABLE_BULK_INSERT: GucSetting<bool> = GucSetting::<bool>::new(true);
static GENERATE_AHEAD: GucSetting<bool> = GucSetting::<bool>::new(true);

/// Defines the settings; called when the library is loaded.
pub fn register() {
    GucRegistry::define_bool_guc(
        c"millrace.enable_scan",
        c"Enables the planner's use of millrace's streaming scan.",
        c"If off, PostgreSQL's function scan runs generating functions in FROM.",
        &ENABLE_SCAN,
        GucContext::Userset,
        GucFlags::EXPLAIN,
    );
    GucRegistry::define_bool_guc(
        c"millrace.stream_function_scans",
        c"Streams rows through PostgreSQL's function scans of generating functions.",
        c"If off, a function scan stores all rows before it returns the first.",
        &STREAM_FUNCTION_SCANS,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_bool_guc(
        c"millrace.enable_bulk_insert",
        c"Enables stream_ingest to insert in bulk where it can.",
        c"If off, the executor inserts all rows, as it always does where triggers or row security require it.",
        &ENABLE_BULK_INSERT,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_bool_guc(
        c"millrace.generate_ahead",
        c"Makes rows on separate threads while earlier rows are inserted or stored.",
        c"If off, a session uses one core at a time.",
        &GENERATE_AHEAD,
        GucContext::Userset,
        GucFlags::default(),
    );
}

/// Whether threads make rows ahead of their use.
pub fn generate_ahead() -> bool {
    GENERATE_AHEAD.get()
}

/// Whether function scans stream.
pub fn stream_function_scans() -> bool {
    STREAM_FUNCTION_SCANS.get()
}

/// Whether stream_ingest may insert in bulk.
#[cfg(not(feature = "cbdb"))]
pub fn enable_bulk_insert() -> bool {
    ENABLE_BULK_INSERT.get()
}

/// Whether the planner may use the streaming scan.
#[cfg(not(feature = "cbdb"))]
pub fn enable_scan() -> bool {
    ENABLE_SCAN.get()
}
