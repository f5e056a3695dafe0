//! What differs between PostgreSQL's major versions.

use pgrx::pg_sys;
use std::ptr::null_mut;

/// What the streaming scan can do beyond scanning. That custom scans project has to be said since
/// PostgreSQL 15; before, it was taken for granted.
pub const CUSTOM_PATH_FLAGS: u32 = {
    #[cfg(any(feature = "pg13", feature = "pg14"))]
    {
        0
    }
    #[cfg(not(any(feature = "pg13", feature = "pg14")))]
    {
        pg_sys::CUSTOMPATH_SUPPORT_PROJECTION
    }
};

/// Shows this backend as copying into a table in `pg_stat_progress_copy`, which came with PostgreSQL 14.
pub fn start_copy_progress(table: pg_sys::Oid) {
    #[cfg(not(feature = "pg13"))]
    // SAFETY: writes to this backend's own status entry, inside a transaction.
    unsafe {
        pg_sys::pgstat_progress_start_command(pg_sys::ProgressCommandType::PROGRESS_COMMAND_COPY, table);
    }
    #[cfg(feature = "pg13")]
    let _ = table;
}

/// Shows how many rows were copied so far.
pub fn update_copy_progress(rows: i64) {
    #[cfg(not(feature = "pg13"))]
    // SAFETY: writes to this backend's own status entry; the index is one of COPY's.
    unsafe {
        pg_sys::pgstat_progress_update_param(pg_sys::PROGRESS_COPY_TUPLES_PROCESSED as i32, rows);
    }
    #[cfg(feature = "pg13")]
    let _ = rows;
}

/// Ends what [`start_copy_progress`] began; no harm where that is ended already.
pub fn end_copy_progress() {
    // SAFETY: writes to this backend's own status entry.
    unsafe { pg_sys::pgstat_progress_end_command() };
}

/// Makes the index entries of a row that was inserted.
///
/// # Safety
/// `result` is open with its indexes, and `slot` holds a row of it with its place in the table.
pub unsafe fn insert_index_entries(
    result: *mut pg_sys::ResultRelInfo,
    slot: *mut pg_sys::TupleTableSlot,
    estate: *mut pg_sys::EState,
) {
    // SAFETY: the caller vouches for all three. Nothing is speculative, so the outputs are not asked for.
    unsafe {
        #[cfg(feature = "pg13")]
        {
            (*estate).es_result_relation_info = result;
            pg_sys::ExecInsertIndexTuples(slot, estate, false, null_mut(), null_mut());
        }
        #[cfg(any(feature = "pg14", feature = "pg15"))]
        pg_sys::ExecInsertIndexTuples(result, slot, estate, false, false, null_mut(), null_mut());
        #[cfg(any(feature = "pg16", feature = "pg17", feature = "pg18"))]
        pg_sys::ExecInsertIndexTuples(result, slot, estate, false, false, null_mut(), null_mut(), false);
    }
}

/// An expression that hashes a row to a bigint, equal for rows that are equal by their types' rules.
pub fn row_hash(row: &str) -> String {
    if cfg!(feature = "pg13") {
        // Records have been hashable since PostgreSQL 14; their text is the next best thing.
        format!("pg_catalog.hashtextextended(({row})::pg_catalog.text, 0)")
    } else {
        format!("pg_catalog.hash_record_extended({row}, 0)")
    }
}
