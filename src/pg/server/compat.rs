//! What differs between PostgreSQL's major versions, and on Apache Cloudberry.

#[cfg(not(feature = "cbdb"))]
use crate::pg::server::relation::OpenRelation;
use pgrx::pg_sys;
#[cfg(all(any(feature = "pg14", feature = "pg15"), not(feature = "cbdb")))]
use std::ffi::CStr;
#[cfg(not(feature = "cbdb"))]
use std::ptr::null_mut;
#[cfg(all(any(feature = "pg14", feature = "pg15"), not(feature = "cbdb")))]
use std::sync::LazyLock;

/// What the streaming scan can do beyond scanning. Since PostgreSQL 15 a custom scan must say that it can project; before,
/// that was assumed.
#[cfg(not(feature = "cbdb"))]
pub const CUSTOM_PATH_FLAGS: u32 = {
    #[cfg(feature = "pg14")]
    {
        0
    }
    #[cfg(not(feature = "pg14"))]
    {
        pg_sys::CUSTOMPATH_SUPPORT_PROJECTION
    }
};

/// Shows this backend as copying rows that no client sends into a table, in `pg_stat_progress_copy`.
pub fn start_copy_progress(table: pg_sys::Oid) {
    use pg_sys::{PROGRESS_COPY_COMMAND_FROM, PROGRESS_COPY_TYPE_CALLBACK};
    report_copy(table, PROGRESS_COPY_COMMAND_FROM, PROGRESS_COPY_TYPE_CALLBACK);
}

fn report_copy(table: pg_sys::Oid, command: u32, kind: u32) {
    use pg_sys::*;
    // SAFETY: writes to this backend's own status entry, inside a transaction; the indexes are COPY's.
    unsafe {
        pgstat_progress_start_command(ProgressCommandType::PROGRESS_COMMAND_COPY, table);
        pgstat_progress_update_param(PROGRESS_COPY_COMMAND as i32, command.into());
        pgstat_progress_update_param(PROGRESS_COPY_TYPE as i32, kind.into());
    }
}

/// Shows how many rows were copied so far.
pub fn update_copy_progress(rows: i64) {
    // SAFETY: writes to this backend's own status entry; the index is one of COPY's.
    unsafe {
        pg_sys::pgstat_progress_update_param(pg_sys::PROGRESS_COPY_TUPLES_PROCESSED as i32, rows);
    }
}

/// Shows this backend as copying rows that are in no table to files, in `pg_stat_progress_copy`.
pub fn start_copy_to_files_progress() {
    use pg_sys::{InvalidOid, PROGRESS_COPY_COMMAND_TO, PROGRESS_COPY_TYPE_FILE};
    report_copy(InvalidOid, PROGRESS_COPY_COMMAND_TO, PROGRESS_COPY_TYPE_FILE);
}

/// Shows how many bytes were copied so far.
pub fn update_copy_progress_bytes(bytes: i64) {
    // SAFETY: writes to this backend's own status entry; the index is one of COPY's.
    unsafe {
        pg_sys::pgstat_progress_update_param(pg_sys::PROGRESS_COPY_BYTES_PROCESSED as i32, bytes);
    }
}

/// Ends what [`start_copy_progress`] began; does nothing if that has ended already.
pub fn end_copy_progress() {
    // SAFETY: writes to this backend's own status entry.
    unsafe { pg_sys::pgstat_progress_end_command() };
}

/// Begins to sort entries of a B-tree of a table, in about this many kB of memory.
#[cfg(not(feature = "cbdb"))]
pub fn begin_index_sort(
    table: OpenRelation,
    index: OpenRelation,
    memory: i32,
) -> *mut pg_sys::Tuplesortstate {
    let (table, index) = (table.as_ptr(), index.as_ptr());
    // SAFETY: both are open. Uniqueness is left to the index, which also knows older rows.
    unsafe {
        #[cfg(feature = "pg14")]
        {
            pg_sys::tuplesort_begin_index_btree(table, index, false, memory, null_mut(), false)
        }
        #[cfg(not(feature = "pg14"))]
        {
            let options = pg_sys::TUPLESORT_NONE as i32;
            pg_sys::tuplesort_begin_index_btree(table, index, false, false, memory, null_mut(), options)
        }
    }
}

/// How a partitioned table's rows become rows of a partition; null if they are the same.
///
/// # Safety
/// `partition` was found by routing.
#[cfg(not(feature = "cbdb"))]
pub unsafe fn root_to_partition_map(
    partition: *mut pg_sys::ResultRelInfo,
    estate: *mut pg_sys::EState,
) -> *mut pg_sys::TupleConversionMap {
    // SAFETY: routing has filled in what belongs to the partition.
    unsafe {
        #[cfg(any(feature = "pg14", feature = "pg15"))]
        {
            let _ = estate;
            (*partition).ri_RootToPartitionMap
        }
        #[cfg(not(any(feature = "pg14", feature = "pg15")))]
        {
            pg_sys::ExecGetRootToChildMap(partition, estate)
        }
    }
}

/// The server's own check, hooks included, that the current user may do what a plan does; raises its error if not.
#[cfg(not(feature = "cbdb"))]
pub fn check_permissions(plan: &pg_sys::PlannedStmt) {
    // SAFETY: the lists are those of a plan.
    unsafe {
        #[cfg(any(feature = "pg14", feature = "pg15"))]
        pg_sys::ExecCheckRTPerms(plan.rtable, true);
        #[cfg(not(any(feature = "pg14", feature = "pg15")))]
        pg_sys::ExecCheckPermissions(plan.rtable, plan.permInfos, true);
    }
}

/// Gives an executor's state the range table of a plan; only relation `used` of it is opened.
///
/// # Safety
/// `estate` is new, and outlived by the plan.
#[cfg(not(feature = "cbdb"))]
pub unsafe fn init_range_table(estate: *mut pg_sys::EState, plan: &pg_sys::PlannedStmt, used: pg_sys::Index) {
    // SAFETY: a new state takes any plan's lists, which outlive it.
    unsafe {
        #[cfg(any(feature = "pg14", feature = "pg15"))]
        pg_sys::ExecInitRangeTable(estate, plan.rtable);
        #[cfg(any(feature = "pg16", feature = "pg17"))]
        pg_sys::ExecInitRangeTable(estate, plan.rtable, plan.permInfos);
        #[cfg(feature = "pg18")]
        {
            let used = pg_sys::bms_make_singleton(used as i32);
            pg_sys::ExecInitRangeTable(estate, plan.rtable, plan.permInfos, used);
        }
        #[cfg(not(feature = "pg18"))]
        let _ = used;
    }
}

/// Whether a table with these constraints has generated columns.
#[cfg(not(feature = "cbdb"))]
pub fn generates_columns(constraints: &pg_sys::TupleConstr) -> bool {
    #[cfg(feature = "pg18")]
    let is_virtual = constraints.has_generated_virtual;
    #[cfg(not(feature = "pg18"))]
    let is_virtual = false;
    constraints.has_generated_stored || is_virtual
}

/// Raises the errors of pending interrupts. Cloudberry's function also takes the place in the source; the tests' simulated
/// cluster is PostgreSQL. pgrx's macro does the same, but does not compile here in all versions of the fork.
pub fn process_interrupts() {
    // SAFETY: may be called at any time; the name of the file is a constant C string.
    unsafe {
        #[cfg(any(not(feature = "cbdb"), feature = "pg_test"))]
        pg_sys::ProcessInterrupts();
        #[cfg(all(feature = "cbdb", not(feature = "pg_test")))]
        pg_sys::ProcessInterrupts(concat!(file!(), "\0").as_ptr().cast(), line!() as std::ffi::c_int);
    }
}

unsafe extern "C-unwind" {
    fn die(signal: std::ffi::c_int);
}

/// Has SIGTERM end this background worker as it ends a backend: at the next look for interrupts.
pub fn terminate_on_sigterm() {
    // SAFETY: the handler is the server's own for this signal.
    unsafe {
        #[cfg(feature = "pg18")]
        pg_sys::pqsignal_be(pg_sys::SIGTERM as i32, Some(die));
        #[cfg(not(feature = "pg18"))]
        pg_sys::pqsignal(pg_sys::SIGTERM as i32, Some(die));
    }
}

/// Whether the server copes with a free space map that names pages beyond a table's end. The map is not written to WAL, so
/// that can happen after a crash; before 15.7 and 14.12 the server then failed to read those pages.
#[cfg(all(any(feature = "pg14", feature = "pg15"), not(feature = "cbdb")))]
pub fn reads_no_page_beyond_the_end() -> bool {
    const SINCE: u32 = if cfg!(feature = "pg14") { 140_012 } else { 150_007 };
    static KNOWN: LazyLock<bool> = LazyLock::new(|| {
        // SAFETY: the setting is there in every server, and its value a C string.
        let version = unsafe {
            CStr::from_ptr(pg_sys::GetConfigOption(c"server_version_num".as_ptr(), false, false)).to_str()
        };
        version.is_ok_and(|version| version.parse().is_ok_and(|version: u32| version >= SINCE))
    });
    *KNOWN
}
