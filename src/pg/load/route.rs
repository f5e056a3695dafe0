//! Finding the partitions that rows belong to.

use crate::pg::server::raw::{self, PartitionTupleRouting, guarded};
use crate::pg::server::slot::palloc_node;
use pgrx::pg_sys::{self, NodeTag};

/// Routes the rows of a partitioned table.
pub struct Router {
    /// The executor's node for an insert, of which routing reads the target and keeps the partitions.
    node: *mut pg_sys::ModifyTableState,
    routing: *mut PartitionTupleRouting,
    root: *mut pg_sys::ResultRelInfo,
    estate: *mut pg_sys::EState,
}

impl Router {
    /// A router for the table of `root`. What it allocates lives in the current memory context.
    ///
    /// # Safety
    /// `root` is a partitioned table, and open; both outlive the router.
    pub unsafe fn new(root: *mut pg_sys::ResultRelInfo, estate: *mut pg_sys::EState) -> Self {
        // SAFETY: the caller vouches for both. The node has what COPY gives it.
        unsafe {
            let node = palloc_node::<pg_sys::ModifyTableState>(NodeTag::T_ModifyTableState);
            (*node).ps.state = estate;
            (*node).operation = pg_sys::CmdType::CMD_INSERT;
            (*node).resultRelInfo = root;
            (*node).rootResultRelInfo = root;
            let table = (*root).ri_RelationDesc;
            let routing = guarded(|| raw::ExecSetupPartitionTupleRouting(estate, table));
            Self { node, routing, root, estate }
        }
    }

    /// The partition for a row, open with its indexes. Raises the server's error where there is none.
    ///
    /// # Safety
    /// `slot` holds a row of the partitioned table.
    pub unsafe fn partition(&self, slot: *mut pg_sys::TupleTableSlot) -> *mut pg_sys::ResultRelInfo {
        // SAFETY: the caller vouches for the slot.
        unsafe { guarded(|| raw::ExecFindPartition(self.node, self.root, self.routing, slot, self.estate)) }
    }

    /// Closes the partitions.
    pub fn close(self) {
        // SAFETY: made by `new`, closed once.
        unsafe { guarded(|| raw::ExecCleanupTupleRouting(self.node, self.routing)) };
    }
}
