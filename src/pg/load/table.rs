//! A table open for inserts, as COPY opens it.

use super::plain::LockedInsert;
use crate::pg::server::compat;
use crate::pg::server::slot::palloc_node;
use pgrx::pg_sys::{self, NodeTag};

/// A table open for inserts. It is closed by [`OpenTable::close`], or by the transaction's end if an error comes first.
pub(super) struct OpenTable {
    /// The state of an executor that has only this to do.
    pub estate: *mut pg_sys::EState,
    pub result: *mut pg_sys::ResultRelInfo,
}

impl OpenTable {
    /// Opens it in the current memory context, after the server's own look at the rights of the current user.
    pub fn open(insert: &LockedInsert) -> Self {
        let statement = insert.statement();
        // SAFETY: the statement is an insert with one target, and outlives what is opened.
        unsafe {
            compat::check_permissions(statement);
            let target = (*(*statement).planTree.cast::<pg_sys::ModifyTable>()).nominalRelation;
            let estate = pg_sys::CreateExecutorState();
            compat::init_range_table(estate, statement, target);
            let result = palloc_node::<pg_sys::ResultRelInfo>(NodeTag::T_ResultRelInfo);
            pg_sys::ExecInitResultRelation(estate, result, target);
            Self { estate, result }
        }
    }

    pub fn relation(&self) -> pg_sys::Relation {
        // SAFETY: it is open.
        unsafe { (*self.result).ri_RelationDesc }
    }

    pub fn is_partitioned(&self) -> bool {
        // SAFETY: as above.
        unsafe { (*(*self.relation()).rd_rel).relkind as u8 == pg_sys::RELKIND_PARTITIONED_TABLE }
    }

    /// Frees what expressions over rows have allocated, none of which is in use any more.
    pub fn forget_rows(&self) {
        // SAFETY: the state has a context for expressions if one was asked for.
        unsafe {
            if let Some(context) = (*self.estate).es_per_tuple_exprcontext.as_ref() {
                pg_sys::MemoryContextReset(context.ecxt_per_tuple_memory);
            }
        }
    }

    /// Closes it with its indexes; its lock stays. `close_partitions` closes what routing opened.
    pub fn close(self, close_partitions: impl FnOnce()) {
        // SAFETY: it was opened by `open`. References of slots go first, as in COPY.
        unsafe {
            pg_sys::ExecResetTupleTable((*self.estate).es_tupleTable, false);
            close_partitions();
            pg_sys::ExecCloseResultRelations(self.estate);
            pg_sys::ExecCloseRangeTableRelations(self.estate);
            pg_sys::FreeExecutorState(self.estate);
        }
    }
}
