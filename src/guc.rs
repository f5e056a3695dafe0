//! All settings.

use pgrx::{GucContext, GucFlags, GucRegistry, GucSetting};

static ENABLE_SCAN: GucSetting<bool> = GucSetting::<bool>::new(true);

/// Defines the settings; called when the library is loaded.
pub fn register() {
    GucRegistry::define_bool_guc(
        c"millrace.enable_scan",
        c"Enables the planner's use of millrace's streaming scan.",
        c"Off, generating functions in FROM are run by PostgreSQL's function scan, which stores all rows first.",
        &ENABLE_SCAN,
        GucContext::Userset,
        GucFlags::EXPLAIN,
    );
}

/// Whether the planner may use the streaming scan.
pub fn enable_scan() -> bool {
    ENABLE_SCAN.get()
}
