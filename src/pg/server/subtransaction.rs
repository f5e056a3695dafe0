//! Work that can be undone without ending the transaction.

use pgrx::pg_sys;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::null;

/// Does `work` in a subtransaction, which is rolled back if `work` returns an error, or if it raises an error of the
/// server's, which is raised again.
pub fn attempt<T, E>(work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    // SAFETY: called within a transaction. As in a block of PL/pgSQL with a handler, the work has the caller's memory
    // context and the subtransaction's resources, and both are the caller's again afterwards. The subtransaction to
    // end is this one: work has ended all that it began, or has failed.
    unsafe {
        let (memory, owner) = (pg_sys::CurrentMemoryContext, pg_sys::CurrentResourceOwner);
        pg_sys::BeginInternalSubTransaction(null());
        pg_sys::CurrentMemoryContext = memory;
        // Whatever ends it, the subtransaction must end before anything else does.
        let result = catch_unwind(AssertUnwindSafe(work));
        match result {
            Ok(Ok(_)) => pg_sys::ReleaseCurrentSubTransaction(),
            _ => pg_sys::RollbackAndReleaseCurrentSubTransaction(),
        }
        pg_sys::CurrentMemoryContext = memory;
        pg_sys::CurrentResourceOwner = owner;
        result.unwrap_or_else(|error| resume_unwind(error))
    }
}
