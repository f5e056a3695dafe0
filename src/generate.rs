//! Rows of the sources as set-returning functions.
//!
//! PostgreSQL fixes the columns of a call before it runs, so the row type is an argument, and the
//! columns of the source are matched to those of the type by name.

use crate::error::{Error, Result};
use crate::origin;
use crate::pg::row::{Row, RowType, Rows, Unmatched};
use crate::pg::{cluster, process};
use crate::run;
use millrace_sources::tpch::{self, Scale};
use millrace_sources::{Part, Source, registry};
use pgrx::JsonB;
use pgrx::prelude::*;
use serde_json::{Value, json};
use std::ops::Range;

/// What a call asks for: a part of a source with its options.
pub struct Request {
    source: String,
    options: Value,
    part: Part,
}

impl Request {
    /// A part of a TPC-H table; one of a scale factor each if `parts` is null.
    pub fn tpch(table: &str, sf: Option<f64>, part: Option<i32>, parts: Option<i32>) -> Result<Self> {
        if !tpch::tables().any(|known| known == table) {
            return Err(Error::UnknownTable(table.to_owned()).into());
        }
        let sf = sf.ok_or(Error::Null("sf"))?;
        // Checked first, because JSON has no NaN to refuse.
        Scale::new(sf).map_err(Error::from)?;
        let part = choose_part(part, parts, sf.ceil() as i64)?;
        Ok(Self { source: table.to_owned(), options: json!({ "sf": sf }), part })
    }

    /// A part of another source, all of it if `part` is null.
    pub fn synthetic(
        source: &str,
        rows: Option<i64>,
        options: Option<JsonB>,
        part: Option<i32>,
        parts: Option<i32>,
    ) -> Result<Self> {
        let mut options = run::options_object(options.map_or_else(|| json!({}), |options| options.0))?;
        run::add_option(&mut options, "rows", rows.map(|rows| json!(rows)))?;
        let part = choose_part(part, parts, 1)?;
        Ok(Self { source: source.to_owned(), options: Value::Object(options), part })
    }

    /// The source's name.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The source's options that were given, not checked yet.
    pub fn options(&self) -> &Value {
        &self.options
    }

    /// Which part of the source.
    pub fn part(&self) -> Part {
        self.part
    }

    /// Opens the source and finds the units of the part.
    pub fn open(&self) -> Result<(Box<dyn Source>, Range<u64>)> {
        let source = registry::open(&self.source, self.options.clone()).map_err(Error::from)?;
        let units = self.part.units(source.units());
        Ok((source, units))
    }

    /// The number of rows, for the planner.
    pub fn estimated_rows(&self) -> Result<u64> {
        let (source, units) = self.open()?;
        Ok(source.estimated_rows(units))
    }

    /// The rows, or this process's share of them where so many segments of a cluster make them together.
    fn rows(&self, row_type: RowType, segments: Option<i16>) -> Result<SetOfIterator<'static, Row>> {
        let (source, units) = self.open()?;
        let units = cluster::share_of_segment(units, segments)?;
        Ok(SetOfIterator::new(Rows::new(row_type, &self.source, source, units, Unmatched::Refused)?))
    }
}

/// The checked part: everything if none is asked for.
fn choose_part(part: Option<i32>, parts: Option<i32>, default_parts: i64) -> Result<Part> {
    Ok(match (part, parts) {
        (None, None) => Part::WHOLE,
        (None, Some(_)) => return Err(Error::PartsWithoutPart.into()),
        (Some(part), parts) => {
            Part::new(part.into(), parts.map_or(default_parts, i64::from)).map_err(Error::from)?
        }
    })
}

/// The source whose rows a row type holds, by the type's name: `tpch_orders`, or `orders`.
pub fn source_of_row_type(name: &str) -> &str {
    match name {
        "cdr_calls" => "cdr",
        "iot_readings" => "iot",
        _ => ["tpch_", "cdr_"].iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name),
    }
}

/// `tpch_gen(table_name, sf, part, parts, row_type, segments)`; of the row type only its type matters.
#[pg_extern(sql = false)]
fn tpch_gen_by_name(
    table_name: Option<&str>,
    sf: Option<f64>,
    part: Option<i32>,
    parts: Option<i32>,
    _row_type: Option<pgrx::AnyElement>,
    segments: Option<i16>,
    fcinfo: pg_sys::FunctionCallInfo,
) -> Result<SetOfIterator<'static, Row>> {
    let table = table_name.ok_or(Error::Null("table_name"))?;
    Request::tpch(table, sf, part, parts)?.rows(RowType::of_call(fcinfo)?, segments)
}

/// `tpch_gen(row_type, sf, part, parts, segments)`: the table is the row type's name.
#[pg_extern(sql = false)]
fn tpch_gen_by_type(
    _row_type: Option<pgrx::AnyElement>,
    sf: Option<f64>,
    part: Option<i32>,
    parts: Option<i32>,
    segments: Option<i16>,
    fcinfo: pg_sys::FunctionCallInfo,
) -> Result<SetOfIterator<'static, Row>> {
    tpch_table(sf, part, parts, segments, fcinfo)
}

/// `tpch_region(sf, part, parts, segments)` and its siblings: the table is the result type's name.
#[pg_extern(sql = false)]
fn tpch_table(
    sf: Option<f64>,
    part: Option<i32>,
    parts: Option<i32>,
    segments: Option<i16>,
    fcinfo: pg_sys::FunctionCallInfo,
) -> Result<SetOfIterator<'static, Row>> {
    let row_type = RowType::of_call(fcinfo)?;
    Request::tpch(source_of_row_type(row_type.name()), sf, part, parts)?.rows(row_type, segments)
}

/// `cdr_gen(rows, options, part, parts, segments)` and `iot_gen(…)`: the source is the result type's.
#[pg_extern(sql = false)]
fn stream_gen(
    rows: Option<i64>,
    options: Option<JsonB>,
    part: Option<i32>,
    parts: Option<i32>,
    segments: Option<i16>,
    fcinfo: pg_sys::FunctionCallInfo,
) -> Result<SetOfIterator<'static, Row>> {
    let row_type = RowType::of_call(fcinfo)?;
    let rows = Some(rows.ok_or(Error::Null("rows"))?);
    Request::synthetic(source_of_row_type(row_type.name()), rows, options, part, parts)?
        .rows(row_type, segments)
}

/// `cdr_cell_towers(options, segments)` and its siblings: the source is the result type's.
#[pg_extern(sql = false)]
fn dimension_table(
    options: Option<JsonB>,
    segments: Option<i16>,
    fcinfo: pg_sys::FunctionCallInfo,
) -> Result<SetOfIterator<'static, Row>> {
    let row_type = RowType::of_call(fcinfo)?;
    Request::synthetic(source_of_row_type(row_type.name()), None, options, None, None)?
        .rows(row_type, segments)
}

/// `millrace.source_rows(source, options, first_unit, end_unit, row_type, segments)`: a range of any source,
/// with null in the columns it does not have.
#[pg_extern(sql = false)]
fn source_rows(
    source: &str,
    options: JsonB,
    first_unit: i64,
    end_unit: i64,
    _row_type: Option<pgrx::AnyElement>,
    segments: Option<i16>,
    fcinfo: pg_sys::FunctionCallInfo,
) -> Result<SetOfIterator<'static, Row>> {
    if source == origin::QUERY {
        let hint = "Its rows are those that the query gives by itself.";
        return Err(Error::NotSupported { what: "making rows of a query", hint }.into());
    }
    let row_type = RowType::of_call(fcinfo)?;
    let opened = registry::open(source, options.0).map_err(Error::from)?;
    let unit = |unit: i64| u64::try_from(unit).unwrap_or_default().min(opened.units());
    let units = cluster::share_of_segment(unit(first_unit)..unit(end_unit), segments)?;
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
        let (source, units) = Request::tpch(name, Some(sf), None, None)?.open()?;
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
    let sources = registry::all().map(|definition| {
        let options = definition.options.iter().map(|option| format!("{}: {}", option.name, option.about));
        (
            definition.name.to_owned(),
            definition.about.to_owned(),
            column_names(&(definition.schema)()),
            options.collect(),
        )
    });
    let options = origin::QUERY_OPTIONS.map(str::to_owned).to_vec();
    let query = (origin::QUERY.to_owned(), origin::QUERY_ABOUT.to_owned(), Vec::new(), options);
    TableIterator::new(sources.chain(std::iter::once(query)))
}

fn column_names(schema: &arrow::datatypes::Schema) -> Vec<String> {
    schema.fields().iter().map(|field| field.name().clone()).collect()
}
