//! Reading batches row by row, as the columns of a row type that have the source's names.

use super::arena::Arena;
use super::convert::{Conversion, type_name};
use super::encode::{Column, Layout};
use super::row_type::{Attribute, RowType};
use super::tuple::{Field, Former};
use crate::error::{Error, Result};
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema};
use pgrx::pg_sys::{self, Datum, Oid};
use std::ops::Range;

/// A field, and the cast that its values go through if they are not of the column's type.
pub(super) struct Reading {
    field: Field,
    conversion: Option<Conversion>,
}

impl Reading {
    /// Reads column `place` of the batches; `Err` if the attribute's type cannot hold its values.
    fn new(attribute: Attribute, data_type: &DataType, place: usize) -> Result<Self> {
        let Attribute { index, name, is_packable, oid, typmod, .. } = attribute;
        let reading = |name, layout, conversion| Self {
            field: Field { name, place, index, layout, is_packable },
            conversion,
        };
        if let Some(layout) = Layout::direct(data_type, oid, typmod) {
            return Ok(reading(name, layout, None));
        }
        let natural = Layout::natural(data_type);
        let conversion =
            natural.and_then(|(layout, from)| Some((layout, Conversion::new(from, oid, typmod)?)));
        match conversion {
            Some((layout, conversion)) => Ok(reading(name, layout, Some(conversion))),
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
pub(super) fn match_columns(
    row_type: &RowType,
    source: &str,
    schema: &Schema,
    unmatched: Unmatched,
) -> Result<(Vec<Attribute>, Vec<usize>)> {
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
        let (from_source, row) = (source.to_owned(), row_type.name.clone());
        return Err(Error::NoSuchColumns { from_source, row, columns: missing });
    }
    Ok((attributes, columns))
}

/// Checks that these columns of a table can hold the source's of the same names; returns whether some of the values go
/// through the server's casts.
pub fn check_columns(table: &RowType, source: &str, schema: &Schema, names: &[String]) -> Result<bool> {
    let (attributes, columns) = match_columns(table, source, schema, Unmatched::Null)?;
    let matched =
        attributes.into_iter().zip(columns).filter(|(attribute, _)| names.contains(&attribute.name));
    let (attributes, columns): (Vec<_>, Vec<_>) = matched.unzip();
    Ok(Reader::open(attributes, schema, &columns)?.converts())
}

/// Reads batches row by row, as datums of columns of a row type.
pub struct Reader {
    readings: Vec<Reading>,
    /// The columns of the batch being read, and its rows not read yet.
    columns: Vec<Column>,
    rows: Range<usize>,
    /// Values of varying length of the rows read.
    memory: Arena,
}

impl Reader {
    /// Reads batches that have the source's columns with these numbers, which the row type has, too. Other columns of the
    /// row type are left as they are. What it allocates lives as long as the current memory context, and so must the reader.
    #[cfg(not(feature = "cbdb"))]
    pub fn new(row_type: &RowType, source: &str, schema: &Schema, columns: &[usize]) -> Result<Self> {
        let (attributes, numbers) = match_columns(row_type, source, schema, Unmatched::Null)?;
        let place = |number: &usize| columns.iter().position(|column| column == number);
        let placed = attributes.into_iter().zip(numbers).filter_map(|(attribute, number)| {
            Some(Reading::new(attribute, schema.field(number).data_type(), place(&number)?))
        });
        Ok(Self::of(placed.collect::<Result<_>>()?))
    }

    /// Reads batches of just these columns of the source, each into the attribute of the same place.
    pub(super) fn open(attributes: Vec<Attribute>, schema: &Schema, columns: &[usize]) -> Result<Self> {
        let placed = attributes.into_iter().zip(columns).enumerate();
        let reading = |(place, (attribute, &column)): (usize, (Attribute, &usize))| {
            Reading::new(attribute, schema.field(column).data_type(), place)
        };
        Ok(Self::of(placed.map(reading).collect::<Result<_>>()?))
    }

    fn of(readings: Vec<Reading>) -> Self {
        Self { readings, columns: Vec::new(), rows: 0..0, memory: Arena::default() }
    }

    /// Continues with the rows of another batch.
    pub fn take(&mut self, batch: &RecordBatch) {
        self.rows = 0..batch.num_rows();
        let column = |Reading { field, .. }: &Reading| {
            Column::new(&field.name, batch.column(field.place), field.layout)
        };
        self.columns = self.readings.iter().filter_map(column).map(Column::recoded).collect();
    }

    /// Releases the values of all rows read so far.
    pub fn release(&mut self) {
        self.memory.reset();
    }

    /// What forms tuples of `row_type` from the batches, if no value goes through the server's casts.
    pub fn former(&self, row_type: &RowType) -> Option<Former> {
        let fields = self.readings.iter().map(|reading| reading.field.clone());
        (!self.converts()).then(|| Former::new(fields.collect(), row_type.descriptor.len()))
    }

    /// Whether some values go through the server's casts, whose results are in the memory context that is
    /// current when they are read.
    pub fn converts(&self) -> bool {
        self.readings.iter().any(|reading| reading.conversion.is_some())
    }

    /// Writes the next row to its places in `values` and `nulls`; false at the batch's end. Values of varying
    /// length live until they are released.
    #[inline]
    pub fn read(&mut self, values: &mut [Datum], nulls: &mut [bool]) -> Result<bool> {
        let Some(row) = self.rows.next() else { return Ok(false) };
        for (Reading { field, conversion }, column) in self.readings.iter().zip(&self.columns) {
            let mut value = column.datum(row, &mut self.memory)?;
            if let Some(conversion) = conversion {
                value = conversion.convert(value);
            }
            values[field.index] = value.unwrap_or(Datum::null());
            nulls[field.index] = value.is_none();
        }
        Ok(true)
    }
}

/// The columns of a source that a row type has, too.
#[cfg(not(feature = "cbdb"))]
pub fn columns_of(row_type: &RowType, source: &str, schema: &Schema) -> Result<Vec<usize>> {
    Ok(match_columns(row_type, source, schema, Unmatched::Null)?.1)
}
