//! One table that stores rows, and the rows on their way into it.

use super::ROWS_AT_ONCE;
#[cfg(any(feature = "pg14", feature = "pg15"))]
use super::growth::Growth;
use super::index::Indexes;
use crate::pg::server::compat;
use crate::pg::server::raw::{self, guarded};
use crate::pg::server::slot;
use pgrx::pg_sys;
use std::ptr::null_mut;

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
    /// Whether it is stored as a heap, whose slots take tuples.
    pub(super) is_heap: bool,
    #[cfg(any(feature = "pg14", feature = "pg15"))]
    growth: Option<Growth>,
    slots: Vec<*mut pg_sys::TupleTableSlot>,
    /// How many of the slots are filled.
    pub(super) filled: usize,
    state: pg_sys::BulkInsertState,
    command: pg_sys::CommandId,
}

/// Slots that stay in memory while no row is in them, over all leaves.
pub(super) const SLOTS_KEPT: usize = 4 * ROWS_AT_ONCE;

impl Leaf {
    /// # Safety
    /// `result` is open with its indexes.
    pub(super) unsafe fn of_table(result: *mut pg_sys::ResultRelInfo, estate: *mut pg_sys::EState) -> Self {
        // SAFETY: the caller vouches for the relation.
        unsafe {
            let relation = (*result).ri_RelationDesc;
            let is_heap = (*relation).rd_tableam == pg_sys::GetHeapamTableAmRoutine();
            Self {
                result,
                indexes: Indexes::new(result, estate),
                map: null_mut(),
                is_bounded: (*(*relation).rd_rel).relispartition,
                is_routed: false,
                is_heap,
                #[cfg(any(feature = "pg14", feature = "pg15"))]
                growth: if is_heap { Growth::new(relation) } else { None },
                slots: Vec::with_capacity(ROWS_AT_ONCE),
                filled: 0,
                state: pg_sys::GetBulkInsertState(),
                command: pg_sys::GetCurrentCommandId(true),
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

    /// The next slot to fill, empty.
    pub(super) fn next_slot(&mut self) -> *mut pg_sys::TupleTableSlot {
        if self.filled == self.slots.len() {
            // SAFETY: the relation is open.
            self.slots.push(unsafe { pg_sys::table_slot_create((*self.result).ri_RelationDesc, null_mut()) });
        }
        self.slots[self.filled]
    }

    /// Takes over a row of the partitioned table, which stays where it is.
    ///
    /// # Safety
    /// `row` holds a row of the partitioned table, and is a slot for heap tuples.
    pub(super) unsafe fn take(&mut self, row: *mut pg_sys::TupleTableSlot) {
        let slot = self.next_slot();
        // SAFETY: the caller vouches for the row; without a map both slots are of the same width.
        unsafe {
            if let Some(map) = self.map.as_ref() {
                guarded(|| raw::execute_attr_map_slot(map.attrMap, row, slot));
            } else if let Some((tuple, length)) = slot::lent(row).filter(|_| self.is_heap) {
                slot::lend(slot, tuple, length);
            } else {
                slot::read_all(row);
                let ((from, from_nulls), (to, to_nulls)) = (slot::row(row), slot::row(slot));
                to.copy_from_slice(from);
                to_nulls.copy_from_slice(from_nulls);
                slot::store_virtual(slot);
            }
        }
        self.filled += 1;
    }

    /// Checks the rows in the slots, hands them to the access method, then to the indexes. Returns how many.
    ///
    /// # Safety
    /// The filled slots hold rows of the table.
    pub(super) unsafe fn flush(&mut self, estate: *mut pg_sys::EState) -> usize {
        let filled = std::mem::take(&mut self.filled);
        if filled == 0 {
            return 0;
        }
        let slots = &mut self.slots[..filled];
        let (result, command, state) = (self.result, self.command, self.state);
        let (is_bounded, is_heap) = (self.is_bounded, self.is_heap);
        // SAFETY: the caller vouches for the slots; the access method of a table can insert. The closure owns
        // nothing.
        unsafe {
            let relation = (*result).ri_RelationDesc;
            #[cfg(any(feature = "pg14", feature = "pg15"))]
            if let Some(growth) = &mut self.growth {
                growth.make_room(slots);
            }
            guarded(|| {
                let constraints = (*(*relation).rd_att).constr.as_ref();
                for &mut slot in &mut *slots {
                    (*slot).tts_tableOid = (*relation).rd_id;
                    if constraints.is_some_and(|constraints| {
                        constraints.num_check > 0 || !(is_heap && slot::is_free_of_nulls(slot))
                    }) {
                        raw::ExecConstraints(result, slot, estate);
                    }
                    if is_bounded {
                        raw::ExecPartitionCheck(result, slot, estate, true);
                    }
                }
                if let Some(multi_insert) = (*(*relation).rd_tableam).multi_insert {
                    multi_insert(relation, slots.as_mut_ptr(), slots.len() as i32, command, 0, state);
                }
            });
            #[cfg(any(feature = "pg14", feature = "pg15"))]
            if let Some(growth) = &mut self.growth {
                growth.note(slots);
            }
            self.indexes.add(slots);
            for &mut slot in slots {
                if self.is_heap {
                    slot::take_back(slot)
                } else {
                    slot::clear(slot)
                };
            }
            if self.is_routed {
                // Many leaves would pin many buffers.
                pg_sys::ReleaseBulkInsertStatePin(self.state);
            }
        }
        filled
    }

    /// Drops all but so many slots.
    pub(super) fn keep_slots(&mut self, count: usize) {
        for slot in self.slots.drain(count.min(self.slots.len())..) {
            // SAFETY: the slot was made by `next_slot` and is used no more.
            unsafe { pg_sys::ExecDropSingleTupleTableSlot(slot) };
        }
    }

    /// Inserts the index entries that were collected, and gives back what was made; whoever opened the
    /// relation closes it.
    ///
    /// # Safety
    /// No slot is filled.
    pub(super) unsafe fn finish(mut self) {
        self.keep_slots(0);
        self.indexes.finish();
        #[cfg(any(feature = "pg14", feature = "pg15"))]
        if let Some(growth) = self.growth {
            growth.finish();
        }
        // SAFETY: the relation is still open; the state is given back once.
        unsafe {
            let relation = (*self.result).ri_RelationDesc;
            if let Some(finish) = (*(*relation).rd_tableam).finish_bulk_insert {
                guarded(|| finish(relation, 0));
            }
            pg_sys::FreeBulkInsertState(self.state);
        }
    }
}
