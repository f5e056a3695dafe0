//! Tuple table slots, and other things of the executor that the server's headers have as inline functions.

use pgrx::pg_sys::{self, Datum};

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

/// Lends a tuple to an empty slot for heap tuples, until [`take_back`]. The slot takes it for its own, or it
/// would copy it when somebody asks for a tuple that stays.
///
/// # Safety
/// `slot` is a slot for heap tuples, and empty. The tuple is of its row type.
#[inline]
pub unsafe fn lend(slot: *mut pg_sys::TupleTableSlot, tuple: pg_sys::HeapTupleHeader, length: usize) {
    // SAFETY: the caller vouches for both. Slots for heap tuples, with or without a buffer, begin alike.
    unsafe {
        let heap = &mut *slot.cast::<pg_sys::HeapTupleTableSlot>();
        heap.tupdata.t_len = length as u32;
        heap.tupdata.t_data = tuple;
        heap.tuple = &raw mut heap.tupdata;
        heap.off = 0;
        let flags = (*slot).tts_flags & !(pg_sys::TTS_FLAG_EMPTY as u16);
        (*slot).tts_flags = flags | pg_sys::TTS_FLAG_SHOULDFREE as u16;
        (*slot).tts_nvalid = 0;
    }
}

/// The tuple that was lent to a slot, if one was.
///
/// # Safety
/// `slot` is a slot for heap tuples.
#[inline]
pub unsafe fn lent(slot: *mut pg_sys::TupleTableSlot) -> Option<(pg_sys::HeapTupleHeader, usize)> {
    // SAFETY: the caller vouches for the slot.
    unsafe {
        let heap = &mut *slot.cast::<pg_sys::HeapTupleTableSlot>();
        let is_lent = std::ptr::eq(heap.tuple, &raw const heap.tupdata);
        is_lent.then_some((heap.tupdata.t_data, heap.tupdata.t_len as usize))
    }
}

/// Whether a tuple was lent to a slot that has no null in it.
///
/// # Safety
/// As [`lent`].
#[inline]
pub unsafe fn is_free_of_nulls(slot: *mut pg_sys::TupleTableSlot) -> bool {
    // SAFETY: the caller vouches for the slot, and who lent the tuple for the tuple.
    unsafe { lent(slot).is_some_and(|(tuple, _)| (*tuple).t_infomask & pg_sys::HEAP_HASNULL as u16 == 0) }
}

/// Reads all values out of a slot's tuple, as `slot_getallattrs` does.
///
/// # Safety
/// `slot` is a slot with a row.
pub unsafe fn read_all(slot: *mut pg_sys::TupleTableSlot) {
    // SAFETY: the caller vouches for the slot.
    unsafe {
        let width = (*(*slot).tts_tupleDescriptor).natts;
        if i32::from((*slot).tts_nvalid) < width {
            pg_sys::slot_getsomeattrs_int(slot, width);
        }
    }
}

/// About how long the tuple of a slot's values would be.
///
/// # Safety
/// `slot` is a slot whose values are all filled in.
#[cfg(any(feature = "pg14", feature = "pg15"))]
pub unsafe fn tuple_size(slot: *mut pg_sys::TupleTableSlot) -> usize {
    // SAFETY: the caller vouches for the slot.
    unsafe {
        let header = std::mem::size_of::<pg_sys::HeapTupleHeaderData>();
        header
            + pg_sys::heap_compute_data_size(
                (*slot).tts_tupleDescriptor,
                (*slot).tts_values,
                (*slot).tts_isnull,
            )
    }
}

/// Empties a slot to which a tuple may have been lent.
///
/// # Safety
/// As [`lent`].
#[inline]
pub unsafe fn take_back(slot: *mut pg_sys::TupleTableSlot) -> *mut pg_sys::TupleTableSlot {
    // SAFETY: the caller vouches for the slot, which must not free what was lent to it.
    unsafe {
        if lent(slot).is_some() {
            (*slot).tts_flags &= !(pg_sys::TTS_FLAG_SHOULDFREE as u16);
        }
        clear(slot)
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

/// The values of a slot and which of them are null, to be filled in.
///
/// # Safety
/// `slot` is a slot, and nothing else refers to its values meanwhile.
pub unsafe fn row<'a>(slot: *mut pg_sys::TupleTableSlot) -> (&'a mut [Datum], &'a mut [bool]) {
    // SAFETY: every slot has arrays as long as its row type.
    unsafe {
        let width = (*(*slot).tts_tupleDescriptor).natts as usize;
        (
            std::slice::from_raw_parts_mut((*slot).tts_values, width),
            std::slice::from_raw_parts_mut((*slot).tts_isnull, width),
        )
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
