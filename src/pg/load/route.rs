//! Finding the partitions that rows belong to.

use super::table::Target;
use crate::pg::server::node::make_node;
use crate::pg::server::own_slot::OwnSlot;
use crate::pg::server::raw::{self, PartitionTupleRouting, guarded};
use pgrx::pg_sys;

/// Routes the rows of a partitioned table.
pub(super) struct Router {
    /// The executor's node for an insert, from which routing reads the target, and in which it keeps the partitions.
    node: *mut pg_sys::ModifyTableState,
    routing: *mut PartitionTupleRouting,
}

impl Router {
    /// A router for a partitioned table. What it allocates lives in the current memory context.
    pub fn new(table: &Target) -> Self {
        let (estate, result, relation) = (table.executor.as_ptr(), table.as_ptr(), table.relation().as_ptr());
        let node = make_node::<pg_sys::ModifyTableState>();
        // SAFETY: the table is open. The node has what COPY gives it. The closure owns nothing.
        unsafe {
            (*node).ps.state = estate;
            (*node).operation = pg_sys::CmdType::CMD_INSERT;
            (*node).mt_nrels = 1;
            (*node).resultRelInfo = result;
            (*node).rootResultRelInfo = result;
            let routing = guarded(|| raw::ExecSetupPartitionTupleRouting(estate, relation));
            Self { node, routing }
        }
    }

    /// The partition for the row in a slot, open with its indexes. Raises the server's error where there is none.
    ///
    /// # Safety
    /// The slot holds a row of the table.
    pub unsafe fn partition_for(&self, row: &OwnSlot) -> *mut pg_sys::ResultRelInfo {
        let (node, routing, row) = (self.node, self.routing, row.as_ptr());
        // SAFETY: a row of the table that node and routing were made for. The closure owns nothing.
        unsafe {
            let (root, estate) = ((*node).rootResultRelInfo, (*node).ps.state);
            guarded(|| raw::ExecFindPartition(node, root, routing, row, estate))
        }
    }

    /// Closes the partitions.
    pub fn close(self) {
        // SAFETY: made by `new`, closed once. The closure owns nothing.
        unsafe { guarded(|| raw::ExecCleanupTupleRouting(self.node, self.routing)) };
    }
}
