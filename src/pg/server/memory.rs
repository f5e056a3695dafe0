//! The server's memory contexts.

use pgrx::pg_sys;

/// Runs `work` with `memory` as the current context. After an error the server sets the context by itself.
///
/// # Safety
/// The context lives through the call.
pub unsafe fn within<T>(memory: pg_sys::MemoryContext, work: impl FnOnce() -> T) -> T {
    // SAFETY: the one that was current lives on, too.
    unsafe {
        let before = pg_sys::MemoryContextSwitchTo(memory);
        let done = work();
        pg_sys::MemoryContextSwitchTo(before);
        done
    }
}
