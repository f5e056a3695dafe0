//! Slots of our own, for tables that rows are inserted into.

use super::slot::{Slot, clear, store_virtual};
use crate::error::Result;
use crate::pg::server::relation::OpenRelation;
use pgrx::pg_sys::{self, Datum};
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

/// A slot that we own, in memory that lives for `'m`.
///
/// It may hold a tuple that it does not own, formed in Rust's memory: see [`OwnSlot::lend`].
#[repr(transparent)]
pub struct OwnSlot<'m>(Slot, PhantomData<&'m ()>);

impl<'m> OwnSlot<'m> {
    /// A slot for rows of a table, of the kind that its access method takes.
    ///
    /// # Safety
    /// The current memory context and resource owner live for `'m`.
    pub unsafe fn of_table(relation: OpenRelation<'m>) -> Self {
        // SAFETY: the relation is open, and the slot lives as long as is asked for above.
        unsafe {
            Self(Slot::new(pg_sys::table_slot_create(relation.as_ptr(), std::ptr::null_mut())), PhantomData)
        }
    }

    /// A slot for heap tuples of a table, even if the table itself does not store those.
    ///
    /// # Safety
    /// As [`OwnSlot::of_table`].
    pub unsafe fn for_tuples(relation: OpenRelation<'m>) -> Self {
        // SAFETY: as above.
        unsafe {
            let operations = &raw const pg_sys::TTSOpsHeapTuple;
            Self(Slot::new(pg_sys::MakeSingleTupleTableSlot(relation.row_type(), operations)), PhantomData)
        }
    }

    /// For the server's functions that take many slots.
    pub fn as_ptrs(slots: &mut [Self]) -> *mut *mut pg_sys::TupleTableSlot {
        // A slot is nothing but its pointer.
        slots.as_mut_ptr().cast()
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

    /// Lends it a tuple, in place of what it holds, until it is cleared; false if it does not take tuples. The slot must
    /// believe it owns the tuple; otherwise it copies it when the server asks for one that stays.
    ///
    /// # Safety
    /// The tuple is of its row type. Once it is gone, the slot is only cleared.
    #[inline]
    pub unsafe fn lend(&mut self, tuple: pg_sys::HeapTupleHeader, length: usize) -> bool {
        self.clear();
        let Some(heap) = self.heap() else { return false };
        // SAFETY: the slot is of this kind, and `self` is borrowed exclusively.
        let heap = unsafe { &mut *heap };
        heap.tupdata.t_len = length as u32;
        heap.tupdata.t_data = tuple;
        heap.tuple = &raw mut heap.tupdata;
        heap.off = 0;
        let flags = heap.base.tts_flags & !(pg_sys::TTS_FLAG_EMPTY as u16);
        heap.base.tts_flags = flags | pg_sys::TTS_FLAG_SHOULDFREE as u16;
        heap.base.tts_nvalid = 0;
        true
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

    /// `fill` fills in a row, in place of what the slot holds; columns that it does not set are null. False if there is no row.
    ///
    /// # Safety
    /// As [`Slot::write`].
    pub unsafe fn fill(
        &mut self,
        fill: impl FnOnce(&mut [Datum], &mut [bool]) -> Result<bool>,
    ) -> Result<bool> {
        self.clear();
        // SAFETY: the same is asked above, and it is empty now.
        unsafe { self.0.fill(fill) }
    }

    /// Fills it with the values of another slot's row.
    ///
    /// # Safety
    /// The other holds a row, of the same row type, which stays until this slot is cleared.
    pub unsafe fn fill_from(&mut self, other: &Slot) {
        self.clear();
        let width = other.width();
        // SAFETY: the other's values are read out of its tuple first, as `slot_getallattrs` does; both slots have arrays
        // of as many values, which are no longer empty once they are copied.
        unsafe {
            if usize::from(other.get().tts_nvalid as u16) < width {
                pg_sys::slot_getsomeattrs_int(other.as_ptr(), width as i32);
            }
            let (from, to) = (other.get(), self.get_mut());
            to.tts_values.copy_from_nonoverlapping(from.tts_values, width);
            to.tts_isnull.copy_from_nonoverlapping(from.tts_isnull, width);
            store_virtual(self.as_ptr());
        }
    }

    /// About how long the tuple in it is, or would be.
    #[cfg(any(feature = "pg14", feature = "pg15"))]
    pub fn tuple_size(&self) -> usize {
        if let Some((_, length)) = self.lent() {
            return length;
        }
        let slot = self.get();
        let is_empty = slot.tts_flags & pg_sys::TTS_FLAG_EMPTY as u16 != 0;
        if is_empty || usize::from(slot.tts_nvalid as u16) < self.width() {
            return 0;
        }
        // SAFETY: all values of the row are in the slot's arrays.
        let values = unsafe {
            pg_sys::heap_compute_data_size(slot.tts_tupleDescriptor, slot.tts_values, slot.tts_isnull)
        };
        size_of::<pg_sys::HeapTupleHeaderData>() + values
    }

    /// Sets which table its row is for.
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

impl Deref for OwnSlot<'_> {
    type Target = Slot;

    #[inline]
    fn deref(&self) -> &Slot {
        &self.0
    }
}

impl DerefMut for OwnSlot<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Slot {
        &mut self.0
    }
}

impl Drop for OwnSlot<'_> {
    fn drop(&mut self) {
        // If an error is unwinding, the end of the transaction frees slots and their references.
        if !std::thread::panicking() {
            self.clear();
            // SAFETY: it was made for itself alone, and is dropped once.
            unsafe { pg_sys::ExecDropSingleTupleTableSlot(self.as_ptr()) };
        }
    }
}
