//! Sharing between processes: a counter of the units that are taken, in the memory of a parallel query.

use super::execute::ScanNode;
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
    // SAFETY: called by the executor with a node of ours that has begun, and with the memory that `estimate` asked for, aligned
    // for anything, which outlives the scan; no worker has started.
    unsafe {
        shared.cast::<AtomicU64>().write(AtomicU64::new(0));
        ScanNode::new(node).scan().shared = Some(&*shared.cast::<AtomicU64>());
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
    // SAFETY: called by the executor with a node of ours that has begun, and with the counter that the leader has made,
    // which outlives the scan.
    unsafe { ScanNode::new(node).scan().shared = Some(&*shared.cast::<AtomicU64>()) };
}
