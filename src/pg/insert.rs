//! Inserting rows in bulk, straight from Arrow columns: no plan, no expressions, no copy of the rows.

use super::compat;
use super::row::{Reader, RowType, Unmatched};
use crate::error::{Error, Result};
use millrace_sources::Source;
use pgrx::pg_sys::{self, Datum, Oid};
use std::ops::Range;
use std::ptr::null_mut;

/// How rows get into a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// The table's access method takes them in bulk.
    Bulk,
    /// The executor inserts them, `INSERT ... SELECT`.
    Executor,
}

impl Path {
    /// As the ledger calls it.
    pub fn name(self) -> &'static str {
        match self {
            Path::Bulk => "bulk",
            Path::Executor => "executor",
        }
    }
}

/// The path for a table whose columns the source fills all.
///
/// In bulk go rows that nothing but constraints and indexes looks at: no trigger, no row security, no
/// rule, no view, no foreign table; partitioned tables, whose rows must be routed, go to the executor
/// too, and so do all tables of Greenplum and Cloudberry, where rows must reach their segments.
pub fn path(table: Oid) -> Path {
    // SAFETY: the relation is open, and locked, while it is looked at. The privilege is looked up for the
    // current user, as the executor would.
    unsafe {
        if cfg!(feature = "pg13") || !pg_sys::GetConfigOption(c"gp_role".as_ptr(), true, false).is_null() {
            return Path::Executor;
        }
        let relation = pg_sys::try_relation_open(table, pg_sys::RowExclusiveLock as pg_sys::LOCKMODE);
        if relation.is_null() {
            return Path::Executor;
        }
        let plain = (*(*relation).rd_rel).relkind == pg_sys::RELKIND_RELATION as std::ffi::c_char
            && !has_insert_triggers((*relation).trigdesc)
            && (*relation).rd_rules.is_null()
            && may_insert_unfiltered(table);
        pg_sys::relation_close(relation, pg_sys::NoLock as pg_sys::LOCKMODE);
        if plain { Path::Bulk } else { Path::Executor }
    }
}

/// # Safety
/// `triggers` is null or an open relation's.
unsafe fn has_insert_triggers(triggers: *const pg_sys::TriggerDesc) -> bool {
    // SAFETY: the caller vouches for the pointer.
    unsafe { triggers.as_ref() }.is_some_and(|triggers| {
        triggers.trig_insert_before_row
            || triggers.trig_insert_after_row
            || triggers.trig_insert_instead_row
            || triggers.trig_insert_before_statement
            || triggers.trig_insert_after_statement
            || triggers.trig_insert_new_table
    })
}

/// Whether the current user may insert into all columns, and any row.
fn may_insert_unfiltered(table: Oid) -> bool {
    // SAFETY: both look up catalogs and raise no error for a table that exists.
    unsafe {
        let granted =
            pg_sys::pg_class_aclcheck(table, pg_sys::GetUserId(), pg_sys::ACL_INSERT as pg_sys::AclMode);
        granted == pg_sys::AclResult::ACLCHECK_OK
            && pg_sys::check_enable_rls(table, Oid::INVALID, true)
                != pg_sys::CheckEnableRlsResult::RLS_ENABLED as i32
    }
}

/// Rows that go to the access method at once, as many as COPY hands over.
const ROWS_AT_ONCE: usize = 1000;

/// Inserts `units` of a source into a table whose path is [`Path::Bulk`]; returns the number of rows.
/// Columns the source does not have are null.
pub fn bulk_insert(table: Oid, name: &str, source: Box<dyn Source>, units: Range<u64>) -> Result<i64> {
    let row_type = RowType::of_table(table).ok_or_else(|| Error::UnknownTarget(name.to_owned()))?;
    let mut reader = Reader::new(&row_type, name, source, units, Unmatched::Null)?;
    let mut insert = Insert::begin(table);
    while insert.fill(&mut reader)? {
        insert.flush();
        reader.release();
    }
    Ok(insert.finish())
}

/// A bulk insert under way. On an error the transaction's end cleans up.
struct Insert {
    relation: pg_sys::Relation,
    estate: *mut pg_sys::EState,
    result: *mut pg_sys::ResultRelInfo,
    state: pg_sys::BulkInsertState,
    command: pg_sys::CommandId,
    slots: Vec<*mut pg_sys::TupleTableSlot>,
    /// How many of the slots are filled.
    filled: usize,
    /// Converted values of the filled slots; emptied when they are inserted.
    memory: pg_sys::MemoryContext,
    rows: i64,
}

impl Insert {
    fn begin(table: Oid) -> Self {
        // SAFETY: everything is made in the current memory context and transaction, which outlive the
        // insert; a zeroed ResultRelInfo with its tag is what `InitResultRelInfo` expects. Range table index 0
        // says that the relation is not of a query.
        unsafe {
            let relation = pg_sys::table_open(table, pg_sys::RowExclusiveLock as pg_sys::LOCKMODE);
            let estate = pg_sys::CreateExecutorState();
            let size = std::mem::size_of::<pg_sys::ResultRelInfo>();
            let result = pg_sys::palloc0(size).cast::<pg_sys::ResultRelInfo>();
            (*result).type_ = pg_sys::NodeTag::T_ResultRelInfo;
            pg_sys::InitResultRelInfo(result, relation, 0, null_mut(), 0);
            pg_sys::ExecOpenIndices(result, false);
            let memory = pg_sys::AllocSetContextCreateExtended(
                pg_sys::CurrentMemoryContext,
                c"millrace insert".as_ptr(),
                pg_sys::ALLOCSET_DEFAULT_MINSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
            );
            Self {
                relation,
                estate,
                result,
                state: pg_sys::GetBulkInsertState(),
                command: pg_sys::GetCurrentCommandId(true),
                slots: Vec::with_capacity(ROWS_AT_ONCE),
                filled: 0,
                memory,
                rows: 0,
            }
        }
    }

    /// Fills the slots with the next rows and checks these; false if there was none left.
    fn fill(&mut self, reader: &mut Reader) -> Result<bool> {
        // SAFETY: slots are of the table's row type, as the reader's fields are; values live in the insert's
        // own memory until the slots are flushed.
        unsafe {
            let width = (*(*self.relation).rd_att).natts as usize;
            let checked = !(*(*self.relation).rd_att).constr.is_null();
            let is_partition = (*(*self.relation).rd_rel).relispartition;
            while self.filled < ROWS_AT_ONCE {
                if self.filled == self.slots.len() {
                    self.slots.push(pg_sys::table_slot_create(self.relation, null_mut()));
                }
                let slot = self.slots[self.filled];
                let values = std::slice::from_raw_parts_mut((*slot).tts_values, width);
                let nulls = std::slice::from_raw_parts_mut((*slot).tts_isnull, width);
                values.fill(Datum::null());
                nulls.fill(true);
                let before = pg_sys::MemoryContextSwitchTo(self.memory);
                let read = reader.read(values, nulls);
                pg_sys::MemoryContextSwitchTo(before);
                if !read? {
                    break;
                }
                super::slot::store_virtual(slot);
                (*slot).tts_tableOid = (*self.relation).rd_id;
                if checked {
                    pg_sys::ExecConstraints(self.result, slot, self.estate);
                }
                if is_partition {
                    pg_sys::ExecPartitionCheck(self.result, slot, self.estate, true);
                }
                self.filled += 1;
            }
        }
        Ok(self.filled > 0)
    }

    /// Hands the filled slots to the access method, then to the indexes.
    fn flush(&mut self) {
        // SAFETY: the slots hold rows of the table; the access method of a table can insert. Index entries
        // are made in the memory the estate resets for each.
        unsafe {
            if let Some(multi_insert) = (*(*self.relation).rd_tableam).multi_insert {
                let slots = self.slots.as_mut_ptr();
                let (relation, rows, command, state) =
                    (self.relation, self.filled as i32, self.command, self.state);
                pg_sys::ffi::pg_guard_ffi_boundary(|| multi_insert(relation, slots, rows, command, 0, state));
            }
            for &slot in &self.slots[..self.filled] {
                if (*self.result).ri_NumIndices > 0 {
                    compat::insert_index_entries(self.result, slot, self.estate);
                    let context = (*self.estate).es_per_tuple_exprcontext;
                    if !context.is_null() {
                        pg_sys::MemoryContextReset((*context).ecxt_per_tuple_memory);
                    }
                }
                super::slot::clear(slot);
            }
            pg_sys::MemoryContextReset(self.memory);
        }
        self.rows += self.filled as i64;
        self.filled = 0;
    }

    /// Ends the insert and makes its rows visible to the rest of the transaction.
    fn finish(self) -> i64 {
        // SAFETY: what `begin` and `fill` made is given back once. The lock stays to the end of the transaction.
        unsafe {
            if let Some(finish) = (*(*self.relation).rd_tableam).finish_bulk_insert {
                pg_sys::ffi::pg_guard_ffi_boundary(|| finish(self.relation, 0));
            }
            pg_sys::FreeBulkInsertState(self.state);
            for slot in self.slots {
                pg_sys::ExecDropSingleTupleTableSlot(slot);
            }
            pg_sys::ExecCloseIndices(self.result);
            pg_sys::FreeExecutorState(self.estate);
            pg_sys::MemoryContextDelete(self.memory);
            pg_sys::relation_close(self.relation, pg_sys::NoLock as pg_sys::LOCKMODE);
            pg_sys::CommandCounterIncrement();
        }
        self.rows
    }
}
