//! Server functions without a guard: those that pgrx does not know, and those that are called for every row.
//!
//! pgrx guards each call of a server function, so that an error unwinds through Rust. Where a call takes less time than its
//! guard, [`guarded`] puts one guard around many calls instead.

use pgrx::pg_sys;
#[cfg(not(feature = "cbdb"))]
use pgrx::pg_sys::Datum;
use std::ffi::{c_int, c_void};

/// Runs `calls`, which may call functions of this module that raise errors.
///
/// # Safety
/// An error leaves `calls` at once: it must own nothing that needs dropping.
pub unsafe fn guarded<T>(calls: impl FnOnce() -> T) -> T {
    // SAFETY: a jump out of the closure passes over nothing that needs dropping, as asked for above.
    unsafe { pg_sys::ffi::pg_guard_ffi_boundary(calls) }
}

/// What the server's walker over a tree of states calls for each of a state's children.
type Walker = unsafe extern "C-unwind" fn(state: *mut pg_sys::PlanState, context: *mut c_void) -> bool;

unsafe extern "C-unwind" {
    pub fn tuplestore_puttuple(store: *mut pg_sys::Tuplestorestate, tuple: pg_sys::HeapTuple);
    pub fn standard_ExecutorStart(query: *mut pg_sys::QueryDesc, flags: c_int);
    pub fn ExecScan(
        node: *mut pg_sys::ScanState,
        access: pg_sys::ExecScanAccessMtd,
        recheck: pg_sys::ExecScanRecheckMtd,
    ) -> *mut pg_sys::TupleTableSlot;
    pub fn ExecStoreMinimalTuple(
        tuple: pg_sys::MinimalTuple,
        slot: *mut pg_sys::TupleTableSlot,
        should_free: bool,
    ) -> *mut pg_sys::TupleTableSlot;
    #[cfg_attr(not(any(feature = "pg14", feature = "pg15")), link_name = "planstate_tree_walker_impl")]
    pub fn planstate_tree_walker(state: *mut pg_sys::PlanState, walker: Walker, context: *mut c_void)
    -> bool;
}

/// How rows find their partitions; the server keeps the details to itself.
#[cfg(not(feature = "cbdb"))]
#[repr(C)]
pub struct PartitionTupleRouting {
    _opaque: [u8; 0],
}

#[cfg(not(feature = "cbdb"))]
unsafe extern "C-unwind" {
    pub fn MemoryContextReset(context: pg_sys::MemoryContext);
    pub fn FormIndexDatum(
        info: *mut pg_sys::IndexInfo,
        slot: *mut pg_sys::TupleTableSlot,
        estate: *mut pg_sys::EState,
        values: *mut Datum,
        nulls: *mut bool,
    );
    pub fn tuplesort_putindextuplevalues(
        sort: *mut pg_sys::Tuplesortstate,
        index: pg_sys::Relation,
        tid: pg_sys::ItemPointer,
        values: *const Datum,
        nulls: *const bool,
    );
    pub fn tuplesort_getindextuple(sort: *mut pg_sys::Tuplesortstate, forward: bool) -> pg_sys::IndexTuple;
    pub fn _bt_doinsert(
        index: pg_sys::Relation,
        entry: pg_sys::IndexTuple,
        unique: pg_sys::IndexUniqueCheck::Type,
        unchanged: bool,
        table: pg_sys::Relation,
    ) -> bool;
    pub fn index_insert(
        index: pg_sys::Relation,
        values: *mut Datum,
        nulls: *mut bool,
        tid: pg_sys::ItemPointer,
        table: pg_sys::Relation,
        unique: pg_sys::IndexUniqueCheck::Type,
        unchanged: bool,
        info: *mut pg_sys::IndexInfo,
    ) -> bool;
    pub fn ExecConstraints(
        result: *mut pg_sys::ResultRelInfo,
        slot: *mut pg_sys::TupleTableSlot,
        estate: *mut pg_sys::EState,
    );
    pub fn ExecPartitionCheck(
        result: *mut pg_sys::ResultRelInfo,
        slot: *mut pg_sys::TupleTableSlot,
        estate: *mut pg_sys::EState,
        raise: bool,
    ) -> bool;
    pub fn execute_attr_map_slot(
        map: *mut pg_sys::AttrMap,
        from: *mut pg_sys::TupleTableSlot,
        to: *mut pg_sys::TupleTableSlot,
    ) -> *mut pg_sys::TupleTableSlot;
    pub fn ExecSetupPartitionTupleRouting(
        estate: *mut pg_sys::EState,
        table: pg_sys::Relation,
    ) -> *mut PartitionTupleRouting;
    pub fn ExecFindPartition(
        node: *mut pg_sys::ModifyTableState,
        root: *mut pg_sys::ResultRelInfo,
        routing: *mut PartitionTupleRouting,
        slot: *mut pg_sys::TupleTableSlot,
        estate: *mut pg_sys::EState,
    ) -> *mut pg_sys::ResultRelInfo;
    pub fn ExecCleanupTupleRouting(node: *mut pg_sys::ModifyTableState, routing: *mut PartitionTupleRouting);
}
