//! Rows of the sources as set-returning functions.
//!
//! PostgreSQL fixes the columns of a call before it runs, so the row type is an argument, and the
//! columns of the source are matched to those of the type by name.

use crate::call::{Call, source_of_row_type};
use crate::error::{Error, Result, SqlResult};
use crate::pg::server::cluster;
use crate::pg::server::process;
use crate::pg::server::text::{Json, Text};
use crate::pg::values::reader::Unmatched;
use crate::pg::values::row_type::RowType;
use crate::pg::values::store::Answer;
use crate::runs::origin;
use millrace_sources::{Source, registry, tpch};

use pgrx::prelude::*;
use std::ops::Range;

/// The rows of a call, or this process's share of them where several segments of a cluster make them together.
fn rows(
    call: &Call,
    row_type: RowType,
    segments: Option<i16>,
    fcinfo: pg_sys::FunctionCallInfo,
) -> Result<Answer> {
    let (source, units) = call.open()?;
    let units = cluster::share_of_segment(units, segments)?;
    Answer::new(fcinfo, row_type, &call.source, source, units, Unmatched::Refused)
}

/// `tpch_gen(table_name, sf, part, parts, row_type, segments)`; of the row type only its type matters.
#[pg_extern(sql = false)]
fn tpch_gen_by_name(
    table_name: Option<Text>,
    sf: Option<f64>,
    part: Option<i32>,
    parts: Option<i32>,
    _row_type: Option<pgrx::AnyElement>,
    segments: Option<i16>,
    fcinfo: pg_sys::FunctionCallInfo,
) -> SqlResult<Answer> {
    let table = table_name.ok_or(Error::Null("table_name"))?;
    Ok(rows(&Call::tpch(&table, sf, part, parts)?, RowType::of_call(fcinfo)?, segments, fcinfo)?)
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
) -> SqlResult<Answer> {
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
) -> SqlResult<Answer> {
    let row_type = RowType::of_call(fcinfo)?;
    let call = Call::tpch(source_of_row_type(row_type.name()), sf, part, parts)?;
    Ok(rows(&call, row_type, segments, fcinfo)?)
}

/// `cdr_gen(rows, options, part, parts, segments)` and `iot_gen(…)`: the source is the result type's.
#[pg_extern(sql = false)]
fn stream_gen(
    count: Option<i64>,
    options: Option<Json>,
    part: Option<i32>,
    parts: Option<i32>,
    segments: Option<i16>,
    fcinfo: pg_sys::FunctionCallInfo,
) -> SqlResult<Answer> {
    let row_type = RowType::of_call(fcinfo)?;
    let count = Some(count.ok_or(Error::Null("rows"))?);
    let options = options.map(|options| options.0);
    let call = Call::synthetic(source_of_row_type(row_type.name()), count, options, part, parts)?;
    Ok(rows(&call, row_type, segments, fcinfo)?)
}

/// `cdr_cell_towers(options, segments)` and its siblings: the source is the result type's.
#[pg_extern(sql = false)]
fn dimension_table(
    options: Option<Json>,
    segments: Option<i16>,
    fcinfo: pg_sys::FunctionCallInfo,
) -> SqlResult<Answer> {
    let row_type = RowType::of_call(fcinfo)?;
    let options = options.map(|options| options.0);
    let call = Call::synthetic(source_of_row_type(row_type.name()), None, options, None, None)?;
    Ok(rows(&call, row_type, segments, fcinfo)?)
}

/// `millrace.source_rows(source, options, first_unit, end_unit, row_type, segments)`: a range of any source,
/// with null in the columns it does not have.
#[pg_extern(sql = false)]
fn source_rows(
    source: Text,
    options: Json,
    first_unit: i64,
    end_unit: i64,
    _row_type: Option<pgrx::AnyElement>,
    segments: Option<i16>,
    fcinfo: pg_sys::FunctionCallInfo,
) -> SqlResult<Answer> {
    if &*source == origin::QUERY {
        let hint = "Its rows are those that the query gives by itself.";
        return Err(Error::NotSupported { what: "making rows of a query", hint }.into());
    }
    let row_type = RowType::of_call(fcinfo)?;
    let opened = registry::open(&source, options.0).map_err(Error::from)?;
    let unit = |unit: i64| u64::try_from(unit).unwrap_or_default().min(opened.units());
    let units = cluster::share_of_segment(unit(first_unit)..unit(end_unit), segments)?;
    Ok(Answer::new(fcinfo, row_type, &source, opened, units, Unmatched::Null)?)
}

/// `tpch_tables(sf, exact)`.
#[pg_extern(sql = false)]
fn tpch_tables(
    sf: Option<f64>,
    exact: Option<bool>,
) -> SqlResult<TableIterator<'static, (name!(name, Text), name!(rows, i64), name!(columns, Vec<Text>))>> {
    let sf = sf.ok_or(Error::Null("sf"))?;
    let exact = exact.unwrap_or_default();
    let table = |name: &str| {
        let (source, units) = Call::tpch(name, Some(sf), None, None)?.open()?;
        let rows = if exact { count(source.as_ref(), units) } else { source.estimated_rows(units) };
        Ok((name.into(), rows as i64, column_names(&source.schema())))
    };
    Ok(TableIterator::new(tpch::tables().map(table).collect::<Result<Vec<_>>>()?))
}

/// Counting this many units takes a few milliseconds.
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
    (name!(name, Text), name!(about, Text), name!(columns, Vec<Text>), name!(options, Vec<Text>)),
> {
    let sources = registry::all().map(|definition| {
        let options =
            definition.options.iter().map(|option| Text::from(format!("{}: {}", option.name, option.about)));
        (
            definition.name.into(),
            definition.about.into(),
            column_names(&(definition.schema)()),
            options.collect(),
        )
    });
    let options = origin::QUERY_OPTIONS.map(Text::from).to_vec();
    let query = (origin::QUERY.into(), origin::QUERY_ABOUT.into(), Vec::new(), options);
    TableIterator::new(sources.chain(std::iter::once(query)))
}

fn column_names(schema: &arrow::datatypes::Schema) -> Vec<Text> {
    schema.fields().iter().map(|field| field.name().as_str().into()).collect()
}
