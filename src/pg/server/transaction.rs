//! What is done when a transaction fails.

use pgrx::pg_sys;
use pgrx::prelude::*;
use std::sync::OnceLock;

static ON_ABORT: OnceLock<fn()> = OnceLock::new();

/// Registers `work`, which must not raise, to be done when a transaction fails; called when the library is loaded.
pub fn on_abort(work: fn()) {
    if ON_ABORT.set(work).is_ok() {
        // SAFETY: the callback is a function of this library, which is never unloaded.
        unsafe { pg_sys::RegisterXactCallback(Some(transaction_ended), std::ptr::null_mut()) };
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn transaction_ended(
    event: pg_sys::XactEvent::Type,
    _argument: *mut std::ffi::c_void,
) {
    if event == pg_sys::XactEvent::XACT_EVENT_ABORT
        && let Some(work) = ON_ABORT.get()
    {
        work();
    }
}
