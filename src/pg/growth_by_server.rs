//! In the place of making heaps grow, from PostgreSQL 16 on: the server reserves many pages at once itself.

use pgrx::pg_sys;

/// There is none.
pub enum Growth {}

impl Growth {
    /// # Safety
    /// None is needed.
    pub unsafe fn new(_relation: pg_sys::Relation) -> Option<Self> {
        None
    }

    /// # Safety
    /// It is never called.
    pub unsafe fn make_room(&mut self, _slots: &[*mut pg_sys::TupleTableSlot]) {
        match *self {}
    }

    /// # Safety
    /// It is never called.
    pub unsafe fn note(&mut self, _slots: &[*mut pg_sys::TupleTableSlot]) {
        match *self {}
    }

    pub fn finish(self) {
        match self {}
    }
}
