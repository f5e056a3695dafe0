//! Rows of the sources as set-returning functions.
//!
//! PostgreSQL fixes the columns of a call before it runs, so the row type is an argument, and the
//! columns of the source are matched to those of the type by name.

use crate::error::{Error, Result};
use crate::pg::process;
use crate::pg::row::{Row, RowType, Rows, Unmatched};
use millrace_sources::tpch::{self, Scale};
use millrace_sources::{Part, Source, registry};
use pgrx::JsonB;
use pgrx::prelude::*;
use serde_json::json;
use std::ops::Range;

/// The arguments that say how much of a TPC-H table to make.
pub struct PartArguments {
    /// Scale factor.
    pub sf: Option<f64>,
    /// Which part, counted from 1; the whole table if null.
    pub part: Option<i32>,
    /// Of how many parts; one for each scale factor begun if null.
    pub parts: Option<i32>,
}

impl PartArguments {
    /// The checked part: everything if none is asked for.
    fn part(&self, scale: f64) -> Result<Part> {
        let parts = |given: Option<i32>| given.map_or(scale.ceil() as i64, i64::from);
        Ok(match (self.part, self.parts) {
            (None, None) => Part::WHOLE,
            (None, Some(_)) => return Err(Error::PartsWithoutPart.into()),
            (Some(part), given) => Part::new(part.into(), parts(given)).map_err(Error::from)?,
        })
    }

    /// Opens a table and finds the units of the part.
    pub fn open(&self, table: &str) -> Result<(Box<dyn Source>, Range<u64>)> {
        let source = open_table(table, self.sf.ok_or(Error::Null("sf"))?)?;
        let units = self.part(self.sf.unwrap_or_default())?.units(source.units());
        Ok((source, units))
    }
}

/// Opens a TPC-H table.
fn open_table(table: &str, sf: f64) -> Result<Box<dyn Source>> {
    if !tpch::tables().any(|known| known == table) {
        return Err(Error::UnknownTable(table.to_owned()).into());
    }
    // Checked first, because JSON has no NaN to refuse.
    Scale::new(sf).map_err(Error::from)?;
    Ok(registry::open(table, json!({ "sf": sf })).map_err(Error::from)?)
}

/// The table whose rows a row type holds, by the type's name: `tpch_orders`, or `orders`.
pub fn table_of_row_type(name: &str) -> &str {
    name.strip_prefix("tpch_").unwrap_or(name)
}

/// The number of rows of a part, for the planner.
pub fn estimated_rows(table: &str, part: &PartArguments) -> Result<u64> {
    let (source, units) = part.open(table)?;
    Ok(source.estimated_rows(units))
}

fn rows_of_part(table: &str, part: &PartArguments, row_type: RowType) -> Result<SetOfIterator<'static, Row>> {
    let (source, units) = part.open(table)?;
    Ok(SetOfIterator::new(Rows::new(row_type, table, source, units, Unmatched::Refused)?))
}

/// `tpch_gen(table_name, sf, part, parts, row_type)`; of the row type only its type matters.
#[pg_extern(sql = false)]
fn tpch_gen_by_name(
    table_name: Option<&str>,
    sf: Option<f64>,
    part: Option<i32>,
    parts: Option<i32>,
    fcinfo: pg_sys::FunctionCallInfo,
) -> Result<SetOfIterator<'static, Row>> {
    let table = table_name.ok_or(Error::Null("table_name"))?;
    rows_of_part(table, &PartArguments { sf, part, parts }, RowType::of_call(fcinfo)?)
}

/// `tpch_gen(row_type, sf, part, parts)`: the table is the row type's name.
#[pg_extern(sql = false)]
fn tpch_gen_by_type(
    _row_type: Option<pgrx::AnyElement>,
    sf: Option<f64>,
    part: Option<i32>,
    parts: Option<i32>,
    fcinfo: pg_sys::FunctionCallInfo,
) -> Result<SetOfIterator<'static, Row>> {
    tpch_table(sf, part, parts, fcinfo)
}

/// `tpch_region(sf, part, parts)` and its siblings: the table is the result type's name.
#[pg_extern(sql = false)]
fn tpch_table(
    sf: Option<f64>,
    part: Option<i32>,
    parts: Option<i32>,
    fcinfo: pg_sys::FunctionCallInfo,
) -> Result<SetOfIterator<'static, Row>> {
    let row_type = RowType::of_call(fcinfo)?;
    let table = table_of_row_type(row_type.name()).to_owned();
    rows_of_part(&table, &PartArguments { sf, part, parts }, row_type)
}

/// `millrace.source_rows(source, options, first_unit, end_unit, row_type)`: a range of any source, with
/// null in the columns it does not have.
#[pg_extern(sql = false)]
fn source_rows(
    source: &str,
    options: JsonB,
    first_unit: i64,
    end_unit: i64,
    fcinfo: pg_sys::FunctionCallInfo,
) -> Result<SetOfIterator<'static, Row>> {
    let row_type = RowType::of_call(fcinfo)?;
    let opened = registry::open(source, options.0).map_err(Error::from)?;
    let unit = |unit: i64| u64::try_from(unit).unwrap_or_default().min(opened.units());
    let units = unit(first_unit)..unit(end_unit);
    Ok(SetOfIterator::new(Rows::new(row_type, source, opened, units, Unmatched::Null)?))
}

/// `tpch_tables(sf, exact)`.
#[pg_extern(sql = false)]
fn tpch_tables(
    sf: Option<f64>,
    exact: Option<bool>,
) -> Result<TableIterator<'static, (name!(name, String), name!(rows, i64), name!(columns, Vec<String>))>> {
    let sf = sf.ok_or(Error::Null("sf"))?;
    let exact = exact.unwrap_or_default();
    let table = |name: &str| {
        let source = open_table(name, sf)?;
        let units = 0..source.units();
        let rows = if exact { count(source.as_ref(), units) } else { source.estimated_rows(units) };
        Ok((name.to_owned(), rows as i64, column_names(&source.schema())))
    };
    Ok(TableIterator::new(tpch::tables().map(table).collect::<Result<Vec<_>>>()?))
}

/// Counting so many units takes a few milliseconds.
const UNITS_PER_COUNT: u64 = 1_000_000;

/// The exact number of rows, open to interrupts.
fn count(source: &dyn Source, units: Range<u64>) -> u64 {
    let starts = units.clone().step_by(UNITS_PER_COUNT as usize);
    starts
        .map(|start| {
            process::check_for_interrupts();
            source.rows(start..(start + UNITS_PER_COUNT).min(units.end))
        })
        .sum()
}

/// `stream_sources()`.
#[pg_extern(sql = false)]
fn stream_sources() -> TableIterator<
    'static,
    (name!(name, String), name!(about, String), name!(columns, Vec<String>), name!(options, Vec<String>)),
> {
    TableIterator::new(registry::all().map(|definition| {
        let options = definition.options.iter().map(|option| format!("{}: {}", option.name, option.about));
        (
            definition.name.to_owned(),
            definition.about.to_owned(),
            column_names(&(definition.schema)()),
            options.collect(),
        )
    }))
}

fn column_names(schema: &arrow::datatypes::Schema) -> Vec<String> {
    schema.fields().iter().map(|field| field.name().clone()).collect()
}
