//! Rows of a composite type, filled from a source's columns by name.

use super::arena::Arena;
use super::convert::{Conversion, type_name};
use super::encode::{Column, Layout};
use super::feed::Feed;
use super::tuple::{FormedColumn, Former};
use crate::error::{Error, Result};
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema};
use millrace_sources::Source;
use pgrx::PgTupleDesc;
use pgrx::callconv::{BoxRet, FcInfo};
use pgrx::pg_sys::panic::ErrorReportable;
use pgrx::pg_sys::{self, Datum, Oid};
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, Returns, ReturnsError, SqlMapping, SqlTranslatable,
};
use std::ffi::{CStr, c_char};
use std::ops::Range;
use std::sync::Arc;

/// A composite type: that of a call's result, or a table's.
pub struct RowType {
    descriptor: PgTupleDesc<'static>,
    name: String,
}

/// One column of a row type that was not dropped.
pub struct Attribute {
    /// Position in the row, counted from 0.
    pub index: usize,
    pub name: String,
    /// Whether short values of varying length have short headers in tuples.
    is_packable: bool,
    pub(super) oid: Oid,
    pub(super) typmod: i32,
    pub(super) collation: Oid,
}

impl RowType {
    /// The row type a call is to return. Lives as long as the current memory context.
    pub fn of_call(fcinfo: pg_sys::FunctionCallInfo) -> Result<Self> {
        let mut descriptor = std::ptr::null_mut();
        // SAFETY: `fcinfo` is this call's; the descriptor is valid for the class that is checked, and is
        // copied because the original belongs to a cache.
        unsafe {
            let class = pg_sys::get_call_result_type(fcinfo, std::ptr::null_mut(), &mut descriptor);
            if class != pg_sys::TypeFuncClass::TYPEFUNC_COMPOSITE
                || (*descriptor).tdtypeid == pg_sys::RECORDOID
            {
                return Err(Error::NotComposite.into());
            }
            Ok(Self {
                name: relation_name((*descriptor).tdtypeid),
                descriptor: PgTupleDesc::from_pg_copy(descriptor),
            })
        }
    }

    /// The composite type of that OID, which the caller knows to be one.
    pub fn of_type(oid: Oid) -> Self {
        // SAFETY: looks the type up in a cache, whose reference the copy gives back.
        unsafe {
            let descriptor = pg_sys::lookup_rowtype_tupdesc_copy(oid, -1);
            Self { name: relation_name(oid), descriptor: PgTupleDesc::from_pg_is_copy(descriptor) }
        }
    }

    /// The row type of a table, or `None` if it was dropped. The table is kept from being dropped for the
    /// rest of the transaction.
    pub fn of_table(table: Oid) -> Option<Self> {
        // SAFETY: any OID may be locked; who has the lock sees all changes that were committed before. It is kept.
        let row_type = unsafe {
            pg_sys::LockRelationOid(table, pg_sys::AccessShareLock as pg_sys::LOCKMODE);
            pg_sys::get_rel_type_id(table)
        };
        (row_type != Oid::INVALID).then(|| Self::of_type(row_type))
    }

    /// The type's own name, without its schema.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its columns but for those that were dropped.
    pub fn attributes(&self) -> Vec<Attribute> {
        let attributes = self.descriptor.iter().enumerate().filter(|(_, attribute)| !attribute.is_dropped());
        attributes
            .map(|(index, attribute)| Attribute {
                index,
                name: attribute.name().to_owned(),
                is_packable: attribute.attstorage != pg_sys::TYPSTORAGE_PLAIN as c_char,
                oid: attribute.type_oid().value(),
                typmod: attribute.type_mod(),
                collation: attribute.attcollation,
            })
            .collect()
    }
}

/// The name of a composite type's relation.
pub(super) fn relation_name(composite: Oid) -> String {
    // SAFETY: looks the type up in the catalogs; the name is null or a palloc'ed C string.
    unsafe {
        let name = pg_sys::get_rel_name(pg_sys::get_typ_typrelid(composite));
        if name.is_null() { String::new() } else { CStr::from_ptr(name).to_string_lossy().into_owned() }
    }
}

/// How one column of a row gets its value.
struct Field {
    /// Position in the row.
    index: usize,
    name: String,
    is_packable: bool,
    layout: Layout,
    conversion: Option<Conversion>,
}

impl Field {
    /// `Err` if the column's type cannot hold the values.
    fn new(attribute: Attribute, data_type: &DataType) -> std::result::Result<Self, Error> {
        let Attribute { index, name, is_packable, oid, typmod, .. } = attribute;
        if let Some(layout) = Layout::direct(data_type, oid, typmod) {
            return Ok(Self { index, name, is_packable, layout, conversion: None });
        }
        let natural = Layout::natural(data_type);
        let conversion =
            natural.and_then(|(layout, from)| Some((layout, Conversion::new(from, oid, typmod)?)));
        match conversion {
            Some((layout, conversion)) => {
                Ok(Self { index, name, is_packable, layout, conversion: Some(conversion) })
            }
            None => Err(Error::ColumnType {
                column: name,
                to: type_name(oid, typmod),
                from: natural.map_or("unknown", |(_, oid)| natural_name(oid)),
            }),
        }
    }
}

fn natural_name(oid: Oid) -> &'static str {
    match oid {
        pg_sys::INT4OID => "integer",
        pg_sys::INT8OID => "bigint",
        pg_sys::NUMERICOID => "numeric",
        pg_sys::FLOAT8OID => "double precision",
        pg_sys::BOOLOID => "boolean",
        pg_sys::DATEOID => "date",
        pg_sys::TIMESTAMPOID => "timestamp",
        _ => "text",
    }
}

/// Whether columns of the row type that the source does not have are an error or null.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Unmatched {
    Refused,
    Null,
}

/// The fields of a row type and the source's columns that fill them, in the same order.
fn match_columns(
    row_type: &RowType,
    source: &str,
    schema: &Schema,
    unmatched: Unmatched,
) -> std::result::Result<(Vec<Attribute>, Vec<usize>), Error> {
    let (mut attributes, mut columns, mut missing) = (Vec::new(), Vec::new(), Vec::new());
    for attribute in row_type.attributes() {
        match schema.index_of(&attribute.name) {
            Ok(column) => {
                columns.push(column);
                attributes.push(attribute);
            }
            Err(_) => missing.push(attribute.name),
        }
    }
    if unmatched == Unmatched::Refused && !missing.is_empty() {
        let (source, row) = (source.to_owned(), row_type.name.clone());
        return Err(Error::NoSuchColumns { source, row, columns: missing });
    }
    Ok((attributes, columns))
}

fn fields(attributes: Vec<Attribute>, schema: &Schema, columns: &[usize]) -> Result<Vec<Field>> {
    let field =
        |(attribute, &column): (Attribute, &usize)| Field::new(attribute, schema.field(column).data_type());
    let fields = attributes.into_iter().zip(columns).map(field);
    Ok(fields.collect::<std::result::Result<_, Error>>()?)
}

/// Checks that a table's columns can hold those of the source that have the same name.
pub fn check_table(table: &RowType, source: &str, schema: &Schema) -> Result<()> {
    let (attributes, columns) = match_columns(table, source, schema, Unmatched::Null)?;
    fields(attributes, schema, &columns).map(|_| ())
}

/// Reads batches row by row, as datums of columns of a row type.
pub struct Reader {
    fields: Vec<Field>,
    /// Which columns of a batch the fields are.
    places: Vec<usize>,
    /// The columns of the batch being read, and its rows not read yet.
    columns: Vec<Column>,
    rows: Range<usize>,
    /// Values of varying length of the rows read.
    memory: Arena,
}

impl Reader {
    /// Reads batches that have the source's columns of these numbers, those that are columns of the row type
    /// too. Other columns of the row type are left alone. What it allocates lives as long as the current
    /// memory context, and so must the reader.
    pub fn new(row_type: &RowType, source: &str, schema: &Schema, columns: &[usize]) -> Result<Self> {
        let (attributes, numbers) = match_columns(row_type, source, schema, Unmatched::Null)?;
        let place = |number: &usize| columns.iter().position(|column| column == number);
        let (attributes, numbers): (Vec<_>, Vec<_>) =
            attributes.into_iter().zip(numbers).filter(|(_, number)| place(number).is_some()).unzip();
        let places = numbers.iter().filter_map(place).collect();
        Ok(Self::open(fields(attributes, schema, &numbers)?, places))
    }

    fn open(fields: Vec<Field>, places: Vec<usize>) -> Self {
        Self { fields, places, columns: Vec::new(), rows: 0..0, memory: Arena::default() }
    }

    /// Goes on with the rows of another batch.
    pub fn take(&mut self, batch: &RecordBatch) {
        self.rows = 0..batch.num_rows();
        let columns = self.fields.iter().zip(&self.places);
        let column =
            |(field, &place): (&Field, &usize)| Column::new(&field.name, batch.column(place), field.layout);
        self.columns = columns.filter_map(column).collect();
    }

    /// Lets go of the values of all rows read so far.
    pub fn release(&mut self) {
        self.memory.reset();
    }

    /// What forms tuples of `row_type` from the batches, if no value goes through the server's casts.
    pub fn former(&self, row_type: &RowType) -> Option<Former> {
        let fields = self.fields.iter().zip(&self.places);
        let columns = fields.map(|(field, &place)| FormedColumn {
            name: field.name.clone(),
            place,
            index: field.index,
            layout: field.layout,
            is_packable: field.is_packable,
        });
        (!self.converts()).then(|| Former::new(columns.collect(), row_type.descriptor.len()))
    }

    /// Whether some values go through the server's casts, whose results are in the memory context that is
    /// current when they are read.
    pub fn converts(&self) -> bool {
        self.fields.iter().any(|field| field.conversion.is_some())
    }

    /// Writes the next row to its places in `values` and `nulls`; false at the batch's end. Values of varying
    /// length live until they are released.
    #[inline]
    pub fn read(&mut self, values: &mut [Datum], nulls: &mut [bool]) -> Result<bool> {
        let Some(row) = self.rows.next() else { return Ok(false) };
        for (field, column) in self.fields.iter().zip(&self.columns) {
            let mut value = column.datum(row, &mut self.memory)?;
            if let Some(conversion) = &field.conversion {
                value = conversion.convert(value);
            }
            values[field.index] = value.unwrap_or(Datum::null());
            nulls[field.index] = value.is_none();
        }
        Ok(true)
    }
}

/// The columns of a source that a row type has, too.
pub fn columns_of(row_type: &RowType, source: &str, schema: &Schema) -> Result<Vec<usize>> {
    Ok(match_columns(row_type, source, schema, Unmatched::Null)?.1)
}

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
        let fields = fields(attributes, &source.schema(), &columns)?;
        let reader = Reader::open(fields, (0..columns.len()).collect());
        Ok(Self { reader, feed: Feed::OnDemand(source.batches(units, columns), Arc::new(Ok)) })
    }

    /// Goes on with other units when those it reads are at their end.
    pub fn go_on_with(&mut self, units: Range<u64>) {
        self.feed.go_on_with(units);
    }

    /// As [`Reader::release`].
    pub fn release(&mut self) {
        self.reader.release();
    }

    /// As [`Reader::converts`].
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
        if !self.stream.read(&mut self.values, &mut self.nulls).unwrap_or_report() {
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
