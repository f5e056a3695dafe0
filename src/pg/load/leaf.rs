//! One table that stores rows, and the rows on their way into it.

use super::ROWS_AT_ONCE;
#[cfg(any(feature = "pg14", feature = "pg15"))]
use super::growth::Growth;
use super::index::{Indexes, Sorts};
use super::table::OpenTable;
use crate::pg::server::compat;
use crate::pg::server::raw::{self, guarded};
use crate::pg::server::slot::{Slot, expression_context};
use pgrx::pg_sys;
use std::ptr::null_mut;

/// What the leaves of an insert share.
pub(super) struct Writer {
    pub estate: *mut pg_sys::EState,
    state: pg_sys::BulkInsertState,
    command: pg_sys::CommandId,
    pub sorts: Sorts,
}

impl Writer {
    /// For rows of a table, in the current memory context.
    ///
    /// # Safety
    /// The table is closed after the last use.
    pub unsafe fn new(table: &OpenTable) -> Self {
        // SAFETY: within a transaction, which writes.
        unsafe {
            Self {
                estate: table.estate,
                state: pg_sys::GetBulkInsertState(),
                command: pg_sys::GetCurrentCommandId(true),
                sorts: Sorts::new(table.is_partitioned()),
            }
        }
    }

    /// Gives back the buffer it holds.
    pub fn close(self) {
        // SAFETY: made by `new`, given back once.
        unsafe { pg_sys::FreeBulkInsertState(self.state) };
    }
}

/// A table without partitions, and rows on their way into it.
pub(super) struct Leaf {
    result: *mut pg_sys::ResultRelInfo,
    indexes: Indexes,
    /// From the partitioned table's row type to its own; null if that is the same.
    map: *mut pg_sys::TupleConversionMap,
    /// Whether rows that were not routed here must be checked to belong here.
    is_bounded: bool,
    /// Whether it is one of several.
    is_routed: bool,
    #[cfg(any(feature = "pg14", feature = "pg15"))]
    growth: Option<Growth>,
    slots: Vec<Slot>,
    /// How many of the slots are filled.
    pub(super) filled: usize,
}

/// Slots that stay in memory while no row is in them, over all leaves.
pub(super) const SLOTS_KEPT: usize = 4 * ROWS_AT_ONCE;

impl Leaf {
    /// # Safety
    /// `result` is open with its indexes, and closed after the leaf.
    pub(super) unsafe fn of_table(result: *mut pg_sys::ResultRelInfo, estate: *mut pg_sys::EState) -> Self {
        // SAFETY: the caller vouches for the relation.
        unsafe {
            let relation = (*result).ri_RelationDesc;
            Self {
                result,
                indexes: Indexes::new(result, estate),
                map: null_mut(),
                is_bounded: (*(*relation).rd_rel).relispartition,
                is_routed: false,
                #[cfg(any(feature = "pg14", feature = "pg15"))]
                growth: Growth::new(relation),
                slots: Vec::new(),
                filled: 0,
            }
        }
    }

    /// # Safety
    /// As [`Leaf::of_table`]; `result` is a partition that a router found.
    pub(super) unsafe fn of_partition(
        result: *mut pg_sys::ResultRelInfo,
        estate: *mut pg_sys::EState,
    ) -> Self {
        // SAFETY: the caller vouches for the relation.
        unsafe {
            let map = compat::root_to_partition_map(result, estate);
            Self { map, is_bounded: false, is_routed: true, ..Self::of_table(result, estate) }
        }
    }

    fn relation(&self) -> pg_sys::Relation {
        // SAFETY: the table is open.
        unsafe { (*self.result).ri_RelationDesc }
    }

    /// The next slot to fill, empty.
    pub(super) fn next_slot(&mut self) -> &mut Slot {
        if self.filled == self.slots.len() {
            // SAFETY: the relation is open, in the memory context and by the resource owner of the insert.
            self.slots.push(unsafe { Slot::of_table(self.relation()) });
        }
        &mut self.slots[self.filled]
    }

    /// Takes over a row of the partitioned table, which stays where it is.
    ///
    /// # Safety
    /// `row` holds a row of the partitioned table, which stays until the leaf is flushed.
    pub(super) unsafe fn take(&mut self, row: &Slot) {
        let map = self.map;
        let slot = self.next_slot();
        // SAFETY: the caller vouches for the row; without a map both slots are of one row type. The closure owns
        // nothing.
        unsafe {
            if let Some(map) = map.as_ref() {
                let (from, to) = (row.as_ptr(), slot.as_ptr());
                guarded(|| raw::execute_attr_map_slot(map.attrMap, from, to));
            } else if let Some((tuple, length)) = row.lent().filter(|_| slot.takes_tuples()) {
                slot.lend(tuple, length);
            } else {
                slot.fill_from(row);
            }
        }
        self.filled += 1;
    }

    /// Checks the rows in the slots, hands them to the access method, then to the indexes. Returns how many.
    ///
    /// # Safety
    /// The filled slots hold rows of the table.
    pub(super) unsafe fn flush(&mut self, writer: &mut Writer) -> usize {
        let filled = std::mem::take(&mut self.filled);
        if filled == 0 {
            return 0;
        }
        // SAFETY: the caller vouches for the slots.
        unsafe {
            self.check(filled, writer.estate);
            self.store(filled, writer);
            self.indexes.add(&self.slots[..filled], writer);
        }
        self.slots[..filled].iter_mut().for_each(Slot::clear);
        filled
    }

    /// Raises the server's error if a row violates a constraint.
    ///
    /// # Safety
    /// As many slots hold rows of the table.
    unsafe fn check(&mut self, filled: usize, estate: *mut pg_sys::EState) {
        let (result, relation, is_bounded) = (self.result, self.relation(), self.is_bounded);
        let slots = &mut self.slots[..filled];
        // SAFETY: the caller vouches for the slots, and the table is open. The closure owns nothing.
        unsafe {
            let constraints = (*(*relation).rd_att).constr.as_ref();
            let is_constrained = constraints.is_some();
            let has_checks = constraints.is_some_and(|constraints| constraints.num_check > 0);
            guarded(|| {
                for slot in slots {
                    slot.set_table((*relation).rd_id);
                    // No other constraint says anything of rows without nulls.
                    if has_checks || is_constrained && !slot.is_free_of_nulls() {
                        raw::ExecConstraints(result, slot.as_ptr(), estate);
                    }
                    if is_bounded {
                        raw::ExecPartitionCheck(result, slot.as_ptr(), estate, true);
                    }
                }
            });
        }
    }

    /// Hands rows to the access method.
    ///
    /// # Safety
    /// As [`Leaf::check`].
    unsafe fn store(&mut self, filled: usize, writer: &Writer) {
        let relation = self.relation();
        let slots = &mut self.slots[..filled];
        #[cfg(any(feature = "pg14", feature = "pg15"))]
        if let Some(growth) = &mut self.growth {
            // SAFETY: the caller vouches for the slots.
            unsafe { growth.make_room(slots) };
        }
        let (count, rows) = (slots.len() as i32, Slot::as_ptrs(slots));
        // SAFETY: as above; the access method of a table can insert. What it allocates is freed with what expressions
        // do. The closure owns nothing.
        unsafe {
            guarded(|| {
                let memory = (*expression_context(writer.estate)).ecxt_per_tuple_memory;
                let before = std::ptr::replace(&raw mut pg_sys::CurrentMemoryContext, memory);
                if let Some(multi_insert) = (*(*relation).rd_tableam).multi_insert {
                    multi_insert(relation, rows, count, writer.command, 0, writer.state);
                }
                pg_sys::CurrentMemoryContext = before;
            });
            if self.is_routed {
                // The next rows are another table's.
                pg_sys::ReleaseBulkInsertStatePin(writer.state);
            }
        }
        #[cfg(any(feature = "pg14", feature = "pg15"))]
        if let Some(growth) = &mut self.growth {
            growth.note(slots);
        }
    }

    /// Drops all slots but this number; they are empty.
    pub(super) fn keep_slots(&mut self, count: usize) {
        self.slots.truncate(count);
    }

    /// Inserts the index entries that were collected; whoever opened the table closes it.
    pub(super) fn finish(self) {
        let relation = self.relation();
        self.indexes.finish();
        // SAFETY: the relation is still open. The closure owns nothing.
        unsafe {
            if let Some(finish) = (*(*relation).rd_tableam).finish_bulk_insert {
                guarded(|| finish(relation, 0));
            }
        }
    }
}
