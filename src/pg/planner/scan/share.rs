//! Sharing between processes: a counter of the units that are taken, in the memory of a parallel query.

use super::execute::scan_of;
use pgrx::pg_sys;
use pgrx::prelude::*;
use std::ffi::c_void;
use std::sync::atomic::{AtomicU64, Ordering};

#[pg_guard]
pub unsafe extern "C-unwind" fn estimate(
    _node: *mut pg_sys::CustomScanState,
    _context: *mut pg_sys::ParallelContext,
) -> pg_sys::Size {
    size_of::<AtomicU64>()
}

#[pg_guard]
pub unsafe extern "C-unwind" fn initialize(
    node: *mut pg_sys::CustomScanState,
    _context: *mut pg_sys::ParallelContext,
    shared: *mut c_void,
) {
    // SAFETY: the executor gives the memory that `estimate` asked for, aligned for anything, before any worker starts.
    unsafe {
        shared.cast::<AtomicU64>().write(AtomicU64::new(0));
        attach(node, shared);
    }
}

#[pg_guard]
pub unsafe extern "C-unwind" fn reinitialize(
    _node: *mut pg_sys::CustomScanState,
    _context: *mut pg_sys::ParallelContext,
    shared: *mut c_void,
) {
    // SAFETY: initialised before; no worker runs while it is set back.
    unsafe { (*shared.cast::<AtomicU64>()).store(0, Ordering::Relaxed) };
}

#[pg_guard]
pub unsafe extern "C-unwind" fn initialize_worker(
    node: *mut pg_sys::CustomScanState,
    _toc: *mut pg_sys::shm_toc,
    shared: *mut c_void,
) {
    // SAFETY: the leader initialised it.
    unsafe { attach(node, shared) };
}

/// # Safety
/// The executor calls us with this node, which has begun, and with memory that holds a counter and outlives the scan.
unsafe fn attach(node: *mut pg_sys::CustomScanState, shared: *mut c_void) {
    // SAFETY: the caller vouches for both.
    unsafe { scan_of(node).shared = Some(&*shared.cast::<AtomicU64>()) };
}
