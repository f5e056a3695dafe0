//! A range of a source as rows: for the scan value by value, for a function as datums of its row type.

use super::feed::Feed;
use super::reader::{Reader, Unmatched, match_columns};
use super::row_type::{Attribute, RowType};
use crate::error::{Result, or_raise};
use arrow::array::RecordBatch;
use millrace_sources::Source;
use pgrx::callconv::{BoxRet, FcInfo};
use pgrx::pg_sys::{self, Datum};
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, Returns, ReturnsError, SqlMapping, SqlTranslatable,
};
use std::ops::Range;
use std::sync::Arc;

/// Reads a range of a source row by row; rows are made as they are read.
pub struct Stream {
    reader: Reader,
    feed: Feed<RecordBatch>,
}

impl Stream {
    /// Reads `units` of a source. What it allocates lives as long as the current memory context, and so must
    /// the stream.
    pub fn new(
        row_type: &RowType,
        name: &str,
        source: Box<dyn Source>,
        units: Range<u64>,
        unmatched: Unmatched,
    ) -> Result<Self> {
        let matched = match_columns(row_type, name, &source.schema(), unmatched)?;
        Self::open(matched, source, units)
    }

    /// As [`Stream::new`], but reads just the columns whose positions are in `wanted`, and in that order.
    #[cfg(not(feature = "cbdb"))]
    pub fn of_columns(
        row_type: &RowType,
        name: &str,
        source: Box<dyn Source>,
        units: Range<u64>,
        wanted: &[usize],
    ) -> Result<Self> {
        let (attributes, columns) = match_columns(row_type, name, &source.schema(), Unmatched::Refused)?;
        let matched = attributes.into_iter().zip(columns).filter_map(|(attribute, column)| {
            let index = wanted.iter().position(|&position| position == attribute.index)?;
            Some((Attribute { index, ..attribute }, column))
        });
        Self::open(matched.unzip(), source, units)
    }

    fn open(
        (attributes, columns): (Vec<Attribute>, Vec<usize>),
        source: Box<dyn Source>,
        units: Range<u64>,
    ) -> Result<Self> {
        let reader = Reader::open(attributes, &source.schema(), &columns)?;
        Ok(Self { reader, feed: Feed::OnDemand(source.batches(units, columns), Arc::new(Ok)) })
    }

    /// Continues with other units, after those that it has read.
    #[cfg(not(feature = "cbdb"))]
    pub fn go_on_with(&mut self, units: Range<u64>) {
        self.feed.go_on_with(units);
    }

    /// As [`Reader::release`].
    pub fn release(&mut self) {
        self.reader.release();
    }

    /// As [`Reader::converts`].
    #[cfg(not(feature = "cbdb"))]
    pub fn converts(&self) -> bool {
        self.reader.converts()
    }

    /// As [`Reader::read`], to the end of the range.
    #[inline]
    pub fn read(&mut self, values: &mut [Datum], nulls: &mut [bool]) -> Result<bool> {
        while !self.reader.read(values, nulls)? {
            let Some(batch) = self.feed.next()? else { return Ok(false) };
            self.reader.take(&batch);
        }
        Ok(true)
    }
}

/// The rows of a range of a source, each a datum of the row type.
pub struct Rows {
    row_type: RowType,
    stream: Stream,
    values: Vec<Datum>,
    nulls: Vec<bool>,
}

impl Rows {
    /// As [`Stream::new`].
    pub fn new(
        row_type: RowType,
        name: &str,
        source: Box<dyn Source>,
        units: Range<u64>,
        unmatched: Unmatched,
    ) -> Result<Self> {
        let stream = Stream::new(&row_type, name, source, units, unmatched)?;
        let width = row_type.descriptor.len();
        Ok(Self { row_type, stream, values: vec![Datum::null(); width], nulls: vec![true; width] })
    }
}

impl Iterator for Rows {
    type Item = Row;

    /// The next row, in the current memory context. Raises the server's error where a value does not fit
    /// or an interrupt came.
    fn next(&mut self) -> Option<Row> {
        // Forming a row copies its values.
        self.stream.release();
        if !or_raise(self.stream.read(&mut self.values, &mut self.nulls)) {
            return None;
        }
        // SAFETY: values and nulls are as long as the descriptor, whose type is a composite one.
        unsafe {
            let descriptor = self.row_type.descriptor.as_ptr();
            let tuple =
                pg_sys::heap_form_tuple(descriptor, self.values.as_mut_ptr(), self.nulls.as_mut_ptr());
            Some(Row(pg_sys::HeapTupleHeaderGetDatum((*tuple).t_data)))
        }
    }
}

/// A row as the server takes it: a datum of a composite type.
pub struct Row(Datum);

// SAFETY: the datum is of the type that the call's SQL declaration returns, from which it was formed.
unsafe impl BoxRet for Row {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> pgrx::datum::Datum<'fcx> {
        // SAFETY: as above.
        unsafe { fcinfo.return_raw_datum(self.0) }
    }
}

// SAFETY: only used as a result; the functions' SQL declarations name their types themselves.
unsafe impl SqlTranslatable for Row {
    fn argument_sql() -> std::result::Result<SqlMapping, ArgumentError> {
        Err(ArgumentError::NotValidAsArgument("Row"))
    }

    fn return_sql() -> std::result::Result<Returns, ReturnsError> {
        Ok(Returns::One(SqlMapping::literal("record")))
    }
}
