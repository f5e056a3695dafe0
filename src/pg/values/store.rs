//! What a generating function returns: rows one by one, or a store with all of them.
//!
//! A function scan stores all rows in a tuplestore before it returns the first. From a function that returns row by row it
//! gets each as a datum, takes that apart and forms the tuple to store. A function that fills the store itself puts in the
//! tuples that threads have formed.

use super::demand::columns_read;
use super::feed::Feed;
use super::reader::{Reader, Unmatched, match_columns};
use super::row_type::{Attribute, RowType};
use super::stream::{Row, Rows};
use super::tuple::{Batch, Former, Tuples};
use crate::error::Result;
use crate::pg::server::raw::{guarded, tuplestore_puttuple};
use arrow::array::RecordBatch;
use millrace_sources::Source;
use pgrx::callconv::{CallCx, RetAbi};
use pgrx::pg_sys::{self, Datum, FunctionCallInfo, SetFunctionReturnMode};
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, Returns, ReturnsError, SqlMapping, SqlTranslatable,
};
use pgrx::prelude::*;
use pgrx::{PgMemoryContexts, is_a};
use std::ops::Range;
use std::sync::Arc;

/// The answer to a call of a generating function.
pub enum Answer {
    /// Rows one by one.
    Stream(SetOfIterator<'static, Row>),
    /// All rows are in a store that the caller has.
    Stored,
}

impl Answer {
    /// Answers this call with `units` of a source: with a store if the caller would make one anyway.
    pub fn new(
        fcinfo: FunctionCallInfo,
        row_type: RowType,
        name: &str,
        source: Box<dyn Source>,
        units: Range<u64>,
        unmatched: Unmatched,
    ) -> Result<Self> {
        // SAFETY: pgrx passes the call that the server made.
        let Some(result) = (unsafe { stored_result(fcinfo) }) else {
            return Ok(Self::Stream(SetOfIterator::new(Rows::new(
                row_type, name, source, units, unmatched,
            )?)));
        };
        let schema = source.schema();
        let (attributes, columns) = match_columns(&row_type, name, &schema, unmatched)?;
        // SAFETY: as above; it is evaluated in the context that the executor made for it.
        let read = unsafe { columns_read(fcinfo, result.econtext) };
        let is_read =
            |attribute: &Attribute| read.as_ref().is_none_or(|read| read.contains(&attribute.index));
        let (attributes, columns): (Vec<_>, Vec<_>) =
            attributes.into_iter().zip(columns).filter(|(attribute, _)| is_read(attribute)).unzip();
        let reader = Reader::open(attributes, &schema, &columns)?;
        let source = source.into();
        let feed = Feed::ahead(&source, units, columns, Arc::new(prepare(reader.former(&row_type))))?;
        Store::begin(result, row_type).fill(reader, feed)?;
        Ok(Self::Stored)
    }
}

/// Where the caller expects the rows if it prefers a store with all of them, as a function scan does; a select list takes rows
/// one by one.
///
/// # Safety
/// `fcinfo` is of a call under way.
unsafe fn stored_result<'a>(fcinfo: FunctionCallInfo) -> Option<&'a mut pg_sys::ReturnSetInfo> {
    const STORE: SetFunctionReturnMode::Type =
        SetFunctionReturnMode::SFRM_Materialize | SetFunctionReturnMode::SFRM_Materialize_Preferred;
    // SAFETY: a node of that tag is one of these, which the call outlives.
    unsafe {
        let result = (*fcinfo).resultinfo;
        if result.is_null() || !is_a(result, pg_sys::NodeTag::T_ReturnSetInfo) {
            return None;
        }
        let result = &mut *result.cast::<pg_sys::ReturnSetInfo>();
        (result.allowedModes as SetFunctionReturnMode::Type & STORE == STORE).then_some(result)
    }
}

fn prepare(former: Option<Former>) -> impl Fn(RecordBatch) -> Result<Batch> {
    move |batch| match &former {
        Some(former) => former.form(&batch),
        None => Ok(Batch::Columns(batch)),
    }
}

/// A store on its way to the caller, which ends it.
struct Store {
    tuples: *mut pg_sys::Tuplestorestate,
    row_type: RowType,
}

impl Store {
    /// Creates the store that is this call's result.
    fn begin(result: &mut pg_sys::ReturnSetInfo, row_type: RowType) -> Self {
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
            Self { tuples, row_type }
        }
    }

    fn fill(&mut self, mut reader: Reader, mut feed: Feed<Batch>) -> Result<()> {
        while let Some(batch) = feed.next()? {
            match batch {
                Batch::Tuples(tuples) => self.put_tuples(tuples),
                Batch::Columns(batch) => {
                    reader.take(&batch);
                    self.put_values(&mut reader)?;
                }
            }
        }
        Ok(())
    }

    fn put_tuples(&mut self, mut tuples: Tuples) {
        let mut heap = pg_sys::HeapTupleData::default();
        let (store, tuples) = (self.tuples, &mut tuples);
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
    fn put_values(&mut self, reader: &mut Reader) -> Result<()> {
        let descriptor = self.row_type.descriptor.as_ptr();
        let width = self.row_type.descriptor.len();
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
                pg_sys::tuplestore_putvalues(
                    self.tuples,
                    descriptor,
                    values.as_mut_ptr(),
                    nulls.as_mut_ptr(),
                );
                memory.reset();
            }
            reader.release();
        }
    }
}

/// How an answer is returned.
pub enum Returned {
    Stream(<SetOfIterator<'static, Row> as RetAbi>::Ret),
    Stored,
}

// SAFETY: rows that stream are left to pgrx. A store is in the call's result information already, and the call that
// fills it is the only one.
unsafe impl RetAbi for Answer {
    type Item = Row;
    type Ret = Returned;

    unsafe fn check_fcinfo_and_prepare(fcinfo: FunctionCallInfo) -> CallCx {
        // SAFETY: the caller's call is under way.
        unsafe {
            match stored_result(fcinfo) {
                Some(_) => CallCx::WrappedFn(pg_sys::CurrentMemoryContext),
                None => SetOfIterator::<Row>::check_fcinfo_and_prepare(fcinfo),
            }
        }
    }

    fn to_ret(self) -> Returned {
        match self {
            Self::Stream(rows) => Returned::Stream(rows.to_ret()),
            Self::Stored => Returned::Stored,
        }
    }

    unsafe fn box_ret_in_fcinfo(fcinfo: FunctionCallInfo, returned: Returned) -> Datum {
        match returned {
            // SAFETY: the caller's call is the one that was prepared.
            Returned::Stream(rows) => unsafe { SetOfIterator::box_ret_in_fcinfo(fcinfo, rows) },
            Returned::Stored => Datum::null(),
        }
    }

    unsafe fn fill_fcinfo_fcx(&self, _: FunctionCallInfo) {}

    unsafe fn move_into_fcinfo_fcx(self, _: FunctionCallInfo) {}

    unsafe fn ret_from_fcinfo_fcx(fcinfo: FunctionCallInfo) -> Returned {
        // SAFETY: only a call whose rows stream is called again.
        Returned::Stream(unsafe { SetOfIterator::ret_from_fcinfo_fcx(fcinfo) })
    }

    unsafe fn finish_call_fcinfo(fcinfo: FunctionCallInfo) {
        // SAFETY: as above.
        unsafe { SetOfIterator::<Row>::finish_call_fcinfo(fcinfo) }
    }
}

// SAFETY: only used as a result; the functions' SQL declarations name their types themselves.
unsafe impl SqlTranslatable for Answer {
    fn argument_sql() -> std::result::Result<SqlMapping, ArgumentError> {
        Err(ArgumentError::NotValidAsArgument("Answer"))
    }

    fn return_sql() -> std::result::Result<Returns, ReturnsError> {
        Ok(Returns::SetOf(SqlMapping::literal("record")))
    }
}
