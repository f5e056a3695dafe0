//! Finding the partitions that rows belong to.

use super::table::OpenTable;
use crate::pg::server::raw::{self, PartitionTupleRouting, guarded};
use crate::pg::server::slot::{Slot, palloc_node};
use pgrx::pg_sys::{self, NodeTag};

/// Routes the rows of a partitioned table.
pub(super) struct Router {
    /// The executor's node for an insert, of which routing reads the target and keeps the partitions.
    node: *mut pg_sys::ModifyTableState,
    routing: *mut PartitionTupleRouting,
    /// The row that is being routed.
    pub row: Slot,
}

impl Router {
    /// A router for a partitioned table. What it allocates lives in the current memory context.
    ///
    /// # Safety
    /// The table is closed after the router.
    pub unsafe fn new(table: &OpenTable) -> Self {
        let (estate, result, relation) = (table.estate, table.result, table.relation());
        // SAFETY: the table is open, and outlives the router. The node has what COPY gives it.
        unsafe {
            let node = palloc_node::<pg_sys::ModifyTableState>(NodeTag::T_ModifyTableState);
            (*node).ps.state = estate;
            (*node).operation = pg_sys::CmdType::CMD_INSERT;
            (*node).mt_nrels = 1;
            (*node).resultRelInfo = result;
            (*node).rootResultRelInfo = result;
            let routing = guarded(|| raw::ExecSetupPartitionTupleRouting(estate, relation));
            // A partitioned table's own kind of slot takes no tuples.
            Self { node, routing, row: Slot::for_tuples(relation) }
        }
    }

    /// The partition for the row, open with its indexes. Raises the server's error where there is none.
    ///
    /// # Safety
    /// There is a row, of the partitioned table.
    pub unsafe fn partition(&self) -> *mut pg_sys::ResultRelInfo {
        // SAFETY: the caller vouches for the row. The closure owns nothing.
        unsafe {
            let (node, routing, row) = (self.node, self.routing, self.row.as_ptr());
            let (root, estate) = ((*node).rootResultRelInfo, (*node).ps.state);
            guarded(|| raw::ExecFindPartition(node, root, routing, row, estate))
        }
    }

    /// Closes the partitions.
    pub fn close(self) {
        // SAFETY: made by `new`, closed once.
        unsafe { guarded(|| raw::ExecCleanupTupleRouting(self.node, self.routing)) };
    }
}
