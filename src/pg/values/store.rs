//! A tuplestore with all rows of an answer, from tuples that threads have formed.

use super::formed::FormedRows;
use super::reader::Reader;
use super::row_type::RowType;
use super::tuple::{Batch, Tuples};
use crate::error::Result;
use crate::pg::server::raw::{guarded, tuplestore_puttuple};
use pgrx::PgMemoryContexts;
use pgrx::pg_sys::{self, Datum, SetFunctionReturnMode};

/// Fills a store with rows for the caller of a function, whose result it is.
pub fn fill(result: &mut pg_sys::ReturnSetInfo, mut rows: FormedRows) -> Result<()> {
    let store = Store::begin(result, &rows.row_type);
    while let Some(batch) = rows.next_batch()? {
        match batch {
            Batch::Tuples(tuples) => store.put_tuples(tuples),
            Batch::Columns(_) => store.put_values(&rows.row_type, &mut rows.reader)?,
        }
    }
    Ok(())
}

/// A store on its way to the caller, which ends it.
struct Store(*mut pg_sys::Tuplestorestate);

impl Store {
    /// Creates the store that is this call's result.
    fn begin(result: &mut pg_sys::ReturnSetInfo, row_type: &RowType) -> Self {
        let reads_anywhere = SetFunctionReturnMode::SFRM_Materialize_Random as i32;
        // SAFETY: the caller of a function that returns a set has a context for expressions, whose memory per query
        // is where it expects the result.
        unsafe {
            let before = pg_sys::MemoryContextSwitchTo((*result.econtext).ecxt_per_query_memory);
            let tuples = pg_sys::tuplestore_begin_heap(
                result.allowedModes & reads_anywhere != 0,
                false,
                pg_sys::work_mem,
            );
            result.returnMode = SetFunctionReturnMode::SFRM_Materialize;
            result.setResult = tuples;
            result.setDesc = pg_sys::CreateTupleDescCopy(row_type.descriptor.as_ptr());
            pg_sys::MemoryContextSwitchTo(before);
            Self(tuples)
        }
    }

    fn put_tuples(&self, mut tuples: Tuples) {
        let mut heap = pg_sys::HeapTupleData::default();
        let (store, tuples) = (self.0, &mut tuples);
        // SAFETY: the store copies each tuple, which was formed for its row type; the closure owns nothing.
        unsafe {
            guarded(|| {
                while let Some((header, length)) = tuples.next() {
                    heap.t_data = header;
                    heap.t_len = length as u32;
                    tuplestore_puttuple(store, &mut heap);
                }
            });
        }
    }

    /// Puts the rows of a batch that the reader has taken.
    fn put_values(&self, row_type: &RowType, reader: &mut Reader) -> Result<()> {
        let descriptor = row_type.descriptor.as_ptr();
        let width = row_type.descriptor.len();
        let (mut values, mut nulls) = (vec![Datum::null(); width], vec![true; width]);
        let mut memory = PgMemoryContexts::new("millrace row");
        loop {
            // What casts allocate is copied with the row.
            // SAFETY: the context is this function's own, and was made current by nobody else.
            let read = unsafe { memory.switch_to(|_| reader.read(&mut values, &mut nulls)) }?;
            if !read {
                return Ok(());
            }
            // SAFETY: values and nulls are as long as the row type, which is that of the store.
            unsafe {
                pg_sys::tuplestore_putvalues(self.0, descriptor, values.as_mut_ptr(), nulls.as_mut_ptr());
                memory.reset();
            }
            reader.release();
        }
    }
}
