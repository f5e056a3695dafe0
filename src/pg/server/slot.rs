//! Tuple table slots, and other things of the executor that the server's headers have as inline functions.

use pgrx::pg_sys::{self, Datum};
#[cfg(not(feature = "cbdb"))]
use std::ptr::NonNull;

/// A slot of its own, for rows of one row type.
///
/// It may hold a tuple that it does not own, formed in Rust's memory: see [`Slot::lend`].
#[cfg(not(feature = "cbdb"))]
#[repr(transparent)]
pub struct Slot(NonNull<pg_sys::TupleTableSlot>);

#[cfg(not(feature = "cbdb"))]
impl Slot {
    /// A slot for rows of a table, of the kind that its access method takes.
    ///
    /// # Safety
    /// `relation` is open. The slot lives no longer than the current memory context and resource owner.
    pub unsafe fn of_table(relation: pg_sys::Relation) -> Self {
        // SAFETY: the caller vouches for the relation. The server returns no null.
        unsafe { Self(NonNull::new_unchecked(pg_sys::table_slot_create(relation, std::ptr::null_mut()))) }
    }

    /// A slot for heap tuples of a table, also where the table itself stores none.
    ///
    /// # Safety
    /// As [`Slot::of_table`].
    pub unsafe fn for_tuples(relation: pg_sys::Relation) -> Self {
        // SAFETY: as above.
        unsafe {
            let operations = &raw const pg_sys::TTSOpsHeapTuple;
            Self(NonNull::new_unchecked(pg_sys::MakeSingleTupleTableSlot((*relation).rd_att, operations)))
        }
    }

    /// For the server.
    #[inline]
    pub fn as_ptr(&self) -> *mut pg_sys::TupleTableSlot {
        self.0.as_ptr()
    }

    /// For the server's functions that take many slots.
    pub fn as_ptrs(slots: &mut [Self]) -> *mut *mut pg_sys::TupleTableSlot {
        // A slot is nothing but its pointer.
        slots.as_mut_ptr().cast()
    }

    #[inline]
    fn get(&self) -> &pg_sys::TupleTableSlot {
        // SAFETY: only the server changes a slot, in calls during which no reference is held.
        unsafe { self.0.as_ref() }
    }

    #[inline]
    fn get_mut(&mut self) -> &mut pg_sys::TupleTableSlot {
        // SAFETY: as above, and `self` is borrowed exclusively.
        unsafe { self.0.as_mut() }
    }

    /// Whether it is one for heap tuples, in a buffer or not.
    #[inline]
    pub fn takes_tuples(&self) -> bool {
        let operations = self.get().tts_ops;
        std::ptr::eq(operations, &raw const pg_sys::TTSOpsBufferHeapTuple)
            || std::ptr::eq(operations, &raw const pg_sys::TTSOpsHeapTuple)
    }

    /// What slots for heap tuples, in a buffer or not, begin with.
    #[inline]
    fn heap(&self) -> Option<*mut pg_sys::HeapTupleTableSlot> {
        self.takes_tuples().then(|| self.as_ptr().cast())
    }

    /// Lends it a tuple, in place of what it holds, until it is cleared. The slot must believe it owns the tuple;
    /// otherwise it copies it when the server asks for one that stays.
    ///
    /// # Safety
    /// The slot takes tuples, and this one is of its row type. Once it is gone, the slot is only cleared.
    #[inline]
    pub unsafe fn lend(&mut self, tuple: pg_sys::HeapTupleHeader, length: usize) {
        self.clear();
        // SAFETY: the caller vouches for the kind of slot.
        let heap = unsafe { &mut *self.as_ptr().cast::<pg_sys::HeapTupleTableSlot>() };
        heap.tupdata.t_len = length as u32;
        heap.tupdata.t_data = tuple;
        heap.tuple = &raw mut heap.tupdata;
        heap.off = 0;
        let flags = heap.base.tts_flags & !(pg_sys::TTS_FLAG_EMPTY as u16);
        heap.base.tts_flags = flags | pg_sys::TTS_FLAG_SHOULDFREE as u16;
        heap.base.tts_nvalid = 0;
    }

    /// The tuple that was lent to it, if one was, and its length.
    #[inline]
    pub fn lent(&self) -> Option<(pg_sys::HeapTupleHeader, usize)> {
        let heap = self.heap()?;
        // SAFETY: the kind of slot was looked at. No reference is made, which a borrow of the slot would rule out.
        unsafe {
            let own = &raw mut (*heap).tupdata;
            let is_lent = std::ptr::eq((*heap).tuple, own)
                && (*heap).base.tts_flags & pg_sys::TTS_FLAG_SHOULDFREE as u16 != 0;
            is_lent.then(|| ((*own).t_data, (*own).t_len as usize))
        }
    }

    /// Whether a tuple was lent to it that has no null in it.
    #[inline]
    pub fn is_free_of_nulls(&self) -> bool {
        // SAFETY: a tuple that was lent stays where it is until the slot is cleared.
        self.lent()
            .is_some_and(|(tuple, _)| unsafe { (*tuple).t_infomask & pg_sys::HEAP_HASNULL as u16 == 0 })
    }

    /// Fills it with a row of values, in place of what it holds, which `fill` writes to arrays of nulls.
    ///
    /// # Safety
    /// `fill` writes values of the slot's row type, which stay until the slot is cleared.
    pub unsafe fn fill<T>(&mut self, fill: impl FnOnce(&mut [Datum], &mut [bool]) -> T) -> T {
        self.clear();
        // SAFETY: every slot has arrays as long as its row type, whose values nothing else refers to meanwhile.
        unsafe {
            let width = (*self.get().tts_tupleDescriptor).natts as usize;
            let values = std::slice::from_raw_parts_mut(self.get().tts_values, width);
            let nulls = std::slice::from_raw_parts_mut(self.get().tts_isnull, width);
            values.fill(Datum::null());
            nulls.fill(true);
            let result = fill(values, nulls);
            store_virtual(self.as_ptr());
            result
        }
    }

    /// Fills it with the values of another slot's row.
    ///
    /// # Safety
    /// Both are of one row type, and the other's row stays until this slot is cleared.
    pub unsafe fn fill_from(&mut self, other: &Slot) {
        // SAFETY: the other slot holds a row, whose values are read out of its tuple first, as `slot_getallattrs`
        // does; its arrays are as long as this slot's.
        unsafe {
            let width = (*other.get().tts_tupleDescriptor).natts;
            if i32::from(other.get().tts_nvalid) < width {
                pg_sys::slot_getsomeattrs_int(other.as_ptr(), width);
            }
            self.fill(|values, nulls| {
                let width = width as usize;
                values.copy_from_slice(std::slice::from_raw_parts(other.get().tts_values, width));
                nulls.copy_from_slice(std::slice::from_raw_parts(other.get().tts_isnull, width));
            });
        }
    }

    /// How long the tuple in it is, or would be, about.
    ///
    /// # Safety
    /// It holds a row: a tuple that was lent, or values.
    #[cfg(any(feature = "pg14", feature = "pg15"))]
    pub unsafe fn tuple_size(&self) -> usize {
        if let Some((_, length)) = self.lent() {
            return length;
        }
        let slot = self.get();
        // SAFETY: the caller vouches for the values.
        let values = unsafe {
            pg_sys::heap_compute_data_size(slot.tts_tupleDescriptor, slot.tts_values, slot.tts_isnull)
        };
        size_of::<pg_sys::HeapTupleHeaderData>() + values
    }

    /// Says which table its row is for.
    #[inline]
    pub fn set_table(&mut self, table: pg_sys::Oid) {
        self.get_mut().tts_tableOid = table;
    }

    /// Where its row was inserted.
    pub fn place(&self) -> pg_sys::ItemPointerData {
        self.get().tts_tid
    }

    /// Empties it; what was lent to it is not freed.
    #[inline]
    pub fn clear(&mut self) {
        if self.lent().is_some() {
            self.get_mut().tts_flags &= !(pg_sys::TTS_FLAG_SHOULDFREE as u16);
        }
        // SAFETY: it is a slot.
        unsafe { clear(self.as_ptr()) };
    }
}

#[cfg(not(feature = "cbdb"))]
impl Drop for Slot {
    fn drop(&mut self) {
        // If an error is passing by, the transaction's end frees slots and gives back their references.
        if !std::thread::panicking() {
            self.clear();
            // SAFETY: it was made for itself alone, and is dropped once.
            unsafe { pg_sys::ExecDropSingleTupleTableSlot(self.as_ptr()) };
        }
    }
}

/// Empties a slot, as `ExecClearTuple` does.
///
/// # Safety
/// `slot` is a slot.
pub unsafe fn clear(slot: *mut pg_sys::TupleTableSlot) -> *mut pg_sys::TupleTableSlot {
    // SAFETY: every slot has operations, and all of them can clear it; none raises an error.
    unsafe {
        if let Some(clear) = (*(*slot).tts_ops).clear {
            clear(slot);
        }
        slot
    }
}

/// Says that a slot's values are its row, as `ExecStoreVirtualTuple` does, at the cost of two writes.
///
/// # Safety
/// `slot` is a slot that was empty and whose values and nulls are all filled in.
#[inline]
pub unsafe fn store_virtual(slot: *mut pg_sys::TupleTableSlot) {
    // SAFETY: the caller vouches for the slot.
    unsafe {
        (*slot).tts_flags &= !(pg_sys::TTS_FLAG_EMPTY as u16);
        (*slot).tts_nvalid = (*(*slot).tts_tupleDescriptor).natts as pg_sys::AttrNumber;
    }
}

/// Where expressions over the rows of an insert are evaluated; its memory is reset with the rows.
///
/// # Safety
/// `estate` is an executor's state. Called within [`super::raw::guarded`], or where an error may unwind.
pub unsafe fn expression_context(estate: *mut pg_sys::EState) -> *mut pg_sys::ExprContext {
    // SAFETY: the caller vouches for the state.
    unsafe {
        if (*estate).es_per_tuple_exprcontext.is_null() {
            return pg_sys::MakePerTupleExprContext(estate);
        }
        (*estate).es_per_tuple_exprcontext
    }
}

/// Whether the row in `context` meets a condition, as `ExecQual` finds out; null is the condition that all
/// meet.
///
/// # Safety
/// As [`expression_context`]; `condition` is null or a prepared list of conditions.
pub unsafe fn passes(condition: *mut pg_sys::ExprState, context: *mut pg_sys::ExprContext) -> bool {
    // SAFETY: the caller vouches for both.
    unsafe {
        let mut is_null = false;
        match condition.as_ref().and_then(|condition| condition.evalfunc) {
            Some(evaluate) => evaluate(condition, context, &mut is_null).value() != 0,
            None => true,
        }
    }
}

/// A node of zeroes, but for its tag, as `makeNode` makes it.
///
/// # Safety
/// `T` is the type of nodes with that tag, which begins with it.
pub unsafe fn palloc_node<T>(tag: pg_sys::NodeTag) -> *mut T {
    // SAFETY: the caller vouches for the type; zeroes are valid in all of the server's nodes.
    unsafe {
        let node = pg_sys::palloc0(size_of::<T>()).cast::<T>();
        node.cast::<pg_sys::NodeTag>().write(tag);
        node
    }
}
