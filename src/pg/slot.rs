//! Tuple table slots: what the server's headers have as inline functions.

use pgrx::pg_sys;

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
