//! Tuple table slots, and other things of the executor that the server's headers have as inline functions.

use crate::error::Result;
use pgrx::PgTupleDesc;
use pgrx::pg_sys::{self, Datum};
use std::ptr::NonNull;

/// A slot, which is empty or holds a row of its row type.
#[repr(transparent)]
pub struct Slot(NonNull<pg_sys::TupleTableSlot>);

impl Slot {
    /// # Safety
    /// A slot of the executor's that nobody else reads or writes while this is used.
    pub unsafe fn new(slot: *mut pg_sys::TupleTableSlot) -> Self {
        // SAFETY: what is a slot is not null.
        unsafe { Self(NonNull::new_unchecked(slot)) }
    }

    /// The pointer, for the server's functions.
    #[inline]
    pub fn as_ptr(&self) -> *mut pg_sys::TupleTableSlot {
        self.0.as_ptr()
    }

    #[inline]
    pub(super) fn get(&self) -> &pg_sys::TupleTableSlot {
        // SAFETY: only the server changes a slot, in calls during which no reference is held.
        unsafe { self.0.as_ref() }
    }

    #[cfg(not(feature = "cbdb"))]
    #[inline]
    pub(super) fn get_mut(&mut self) -> &mut pg_sys::TupleTableSlot {
        // SAFETY: as above, and `self` is borrowed exclusively.
        unsafe { self.0.as_mut() }
    }

    /// How many columns it has.
    pub fn width(&self) -> usize {
        // SAFETY: every slot has a row type.
        unsafe { (*self.get().tts_tupleDescriptor).natts as usize }
    }

    /// A copy of its row type.
    pub fn row_type(&self) -> PgTupleDesc<'static> {
        // SAFETY: every slot has a row type.
        unsafe { PgTupleDesc::from_pg_copy(self.get().tts_tupleDescriptor) }
    }

    /// `write` writes a row of values and nulls to it. The slot is empty before, and stays so if that returns false.
    ///
    /// # Safety
    /// The values are of the slot's row type, and stay until it is cleared.
    #[inline]
    pub unsafe fn write(
        &mut self,
        write: impl FnOnce(&mut [Datum], &mut [bool]) -> Result<bool>,
    ) -> Result<bool> {
        // SAFETY: every slot has arrays as long as its row type, to which nothing else refers meanwhile. Their values
        // are those of a row once they are written.
        unsafe {
            let width = self.width();
            let values = std::slice::from_raw_parts_mut(self.get().tts_values, width);
            let nulls = std::slice::from_raw_parts_mut(self.get().tts_isnull, width);
            let is_filled = write(values, nulls)?;
            if is_filled {
                store_virtual(self.as_ptr());
            }
            Ok(is_filled)
        }
    }

    /// As [`Slot::write`], but columns that `fill` does not set are null.
    ///
    /// # Safety
    /// As [`Slot::write`].
    pub unsafe fn fill(
        &mut self,
        fill: impl FnOnce(&mut [Datum], &mut [bool]) -> Result<bool>,
    ) -> Result<bool> {
        let fill = |values: &mut [Datum], nulls: &mut [bool]| {
            values.fill(Datum::null());
            nulls.fill(true);
            fill(values, nulls)
        };
        // SAFETY: nulls are of any type; of the others the same is asked above.
        unsafe { self.write(fill) }
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

/// Declares that a slot's values are its row, as `ExecStoreVirtualTuple` does, with two writes.
///
/// # Safety
/// `slot` is a slot that was empty and whose values and nulls are all filled in.
#[inline]
pub unsafe fn store_virtual(slot: *mut pg_sys::TupleTableSlot) {
    // SAFETY: a slot has a row type, and is no longer empty now that its values are filled in.
    unsafe {
        (*slot).tts_flags &= !(pg_sys::TTS_FLAG_EMPTY as u16);
        (*slot).tts_nvalid = (*(*slot).tts_tupleDescriptor).natts as pg_sys::AttrNumber;
    }
}

/// Whether the row in `context` meets a condition, as `ExecQual` does it; every row meets a null condition.
///
/// # Safety
/// `condition` is null or a list of conditions prepared for such rows. It may raise an error, so call it where a jump may
/// pass: in a frame like C's, or within [`super::raw::guarded`].
#[cfg(not(feature = "cbdb"))]
pub unsafe fn passes(condition: *mut pg_sys::ExprState, context: *mut pg_sys::ExprContext) -> bool {
    let mut is_null = false;
    // SAFETY: an expression that was prepared has a function to evaluate it.
    unsafe {
        match condition.as_ref().and_then(|condition| condition.evalfunc) {
            Some(evaluate) => evaluate(condition, context, &mut is_null).value() != 0,
            None => true,
        }
    }
}
