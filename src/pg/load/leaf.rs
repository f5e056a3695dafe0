//! One table that stores rows, and the rows on their way into it.

use super::ROWS_AT_ONCE;
#[cfg(any(feature = "pg14", feature = "pg15"))]
use super::growth::Growth;
use super::index::{Indexes, Sorts};
use super::table::{OpenTable, Target};
use crate::pg::server::own_slot::OwnSlot;
use crate::pg::server::raw::{self, guarded};
use pgrx::pg_sys;

/// What the leaves of an insert share.
pub(super) struct Writer {
    state: pg_sys::BulkInsertState,
    command: pg_sys::CommandId,
    pub sorts: Sorts,
}

impl Writer {
    /// A writer for rows of a table, in the current memory context.
    pub fn new(table: &OpenTable) -> Self {
        // SAFETY: within a transaction, which writes.
        let (state, command) = unsafe { (pg_sys::GetBulkInsertState(), pg_sys::GetCurrentCommandId(true)) };
        Self { state, command, sorts: Sorts::new(table.is_partitioned()) }
    }

    /// Gives back the buffer it holds.
    pub fn close(self) {
        // SAFETY: made by `new`, given back once.
        unsafe { pg_sys::FreeBulkInsertState(self.state) };
    }
}

/// A table without partitions, and rows on their way into it.
pub(super) struct Leaf<'t> {
    target: Target<'t>,
    indexes: Indexes<'t>,
    /// From the partitioned table's row type to its own; null if that is the same.
    map: *mut pg_sys::AttrMap,
    /// Whether rows that were not routed here must be checked to belong here.
    is_bounded: bool,
    /// Whether it is one of several.
    is_routed: bool,
    #[cfg(any(feature = "pg14", feature = "pg15"))]
    growth: Option<Growth<'t>>,
    slots: Vec<OwnSlot<'t>>,
    /// How many of the slots hold rows of the table; those after them are empty.
    filled: usize,
}

/// Slots that stay in memory while no row is in them, over all leaves.
pub(super) const SLOTS_KEPT: usize = 4 * ROWS_AT_ONCE;

/// Rows in slots, all of one table.
pub(super) struct SlottedRows<'s, 't> {
    pub target: Target<'t>,
    slots: &'s mut [OwnSlot<'t>],
}

impl<'t> SlottedRows<'_, 't> {
    pub fn slots(&self) -> &[OwnSlot<'t>] {
        self.slots
    }
}

impl<'t> Leaf<'t> {
    pub fn of_table(target: Target<'t>) -> Self {
        Self {
            target,
            indexes: Indexes::new(target),
            map: std::ptr::null_mut(),
            is_bounded: target.relation().is_partition(),
            is_routed: false,
            #[cfg(any(feature = "pg14", feature = "pg15"))]
            growth: Growth::new(target.relation()),
            slots: Vec::new(),
            filled: 0,
        }
    }

    /// A leaf for a partition that rows were routed to.
    pub fn of_partition(target: Target<'t>) -> Self {
        Self { map: target.map_from_root(), is_bounded: false, is_routed: true, ..Self::of_table(target) }
    }

    /// Whether rows may be lent to its slots.
    pub fn takes_tuples(&mut self) -> bool {
        self.next_slot().takes_tuples()
    }

    /// The next slot to fill, empty.
    fn next_slot(&mut self) -> &mut OwnSlot<'t> {
        if self.filled == self.slots.len() {
            self.slots.push(self.target.slot());
        }
        &mut self.slots[self.filled]
    }

    /// Has `fill` put a row into the next slot; false if there is none.
    ///
    /// # Safety
    /// The row is one of the table's, and stays until the leaf is flushed, or the slot is only cleared.
    pub unsafe fn fill<E>(
        &mut self,
        fill: impl FnOnce(&mut OwnSlot<'t>) -> Result<bool, E>,
    ) -> Result<bool, E> {
        let is_filled = fill(self.next_slot())?;
        self.filled += usize::from(is_filled);
        Ok(is_filled)
    }

    /// Takes over a row of the partitioned table without copying it.
    ///
    /// # Safety
    /// `row` holds a row of the partitioned table, and what it is made of stays until the leaf is flushed, or the slot is
    /// only cleared.
    pub unsafe fn take(&mut self, row: &OwnSlot) {
        let map = self.map;
        let slot = self.next_slot();
        let (from, to) = (row.as_ptr(), slot.as_ptr());
        // SAFETY: there is a row, which the map, where there is one, makes one of this table; without one both slots are of
        // one row type. It stays as long as is asked for above. The closure owns nothing.
        unsafe {
            if !map.is_null() {
                guarded(|| raw::execute_attr_map_slot(map, from, to));
            } else if let Some((tuple, length)) = row.lent().filter(|_| slot.takes_tuples()) {
                slot.lend(tuple, length);
            } else {
                slot.fill_from(row);
            }
        }
        self.filled += 1;
    }

    /// Checks the rows in the slots, hands them to the access method, then to the indexes. Returns how many.
    pub fn flush(&mut self, writer: &mut Writer) -> usize {
        let filled = std::mem::take(&mut self.filled);
        if filled == 0 {
            return 0;
        }
        let mut rows = SlottedRows { target: self.target, slots: &mut self.slots[..filled] };
        rows.check(self.is_bounded);
        #[cfg(any(feature = "pg14", feature = "pg15"))]
        if let Some(growth) = &mut self.growth {
            growth.make_room(rows.slots());
        }
        rows.store(writer, self.is_routed);
        #[cfg(any(feature = "pg14", feature = "pg15"))]
        if let Some(growth) = &mut self.growth {
            growth.note(rows.slots());
        }
        self.indexes.add(&rows, &mut writer.sorts);
        self.slots[..filled].iter_mut().for_each(OwnSlot::clear);
        filled
    }

    /// Drops all slots but this number; they are empty.
    pub fn keep_slots(&mut self, count: usize) {
        self.slots.truncate(count);
    }

    /// Inserts the index entries that were collected; whoever opened the table closes it.
    pub fn finish(self) {
        let relation = self.target.relation();
        self.indexes.finish();
        if let Some(finish) = relation.access_method().and_then(|method| method.finish_bulk_insert) {
            // SAFETY: the relation is open, and the function its access method's. The closure owns nothing.
            unsafe { guarded(|| finish(relation.as_ptr(), 0)) };
        }
    }
}

impl SlottedRows<'_, '_> {
    /// Raises the server's error if a row violates a constraint; `is_bounded`: also if it does not belong to this partition.
    fn check(&mut self, is_bounded: bool) {
        let (result, relation) = (self.target.as_ptr(), self.target.relation());
        let estate = self.target.executor.as_ptr();
        let (table, is_constrained) = (relation.oid(), relation.constraints().is_some());
        let has_checks = relation.constraints().is_some_and(|constraints| constraints.num_check > 0);
        let slots = &mut *self.slots;
        // SAFETY: the slots hold rows of the table, which is open. The closure owns nothing.
        unsafe {
            guarded(|| {
                for slot in slots {
                    slot.set_table(table);
                    // Rows without nulls cannot violate any other constraint.
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

    /// Hands the rows to the access method.
    fn store(&mut self, writer: &Writer, is_routed: bool) {
        let relation = self.target.relation();
        let Some(multi_insert) = relation.access_method().and_then(|method| method.multi_insert) else {
            return;
        };
        let memory = self.target.executor.memory_of_rows();
        let (count, rows) = (self.slots.len() as i32, OwnSlot::as_ptrs(self.slots));
        // SAFETY: the slots hold rows of the table, which is open. What its access method allocates is freed with what
        // expressions do. The closure owns nothing.
        unsafe {
            guarded(|| {
                let before = std::ptr::replace(&raw mut pg_sys::CurrentMemoryContext, memory);
                multi_insert(relation.as_ptr(), rows, count, writer.command, 0, writer.state);
                pg_sys::CurrentMemoryContext = before;
            });
            if is_routed {
                // The next rows are another table's.
                pg_sys::ReleaseBulkInsertStatePin(writer.state);
            }
        }
    }
}
