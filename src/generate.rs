//! Rows of the sources as set-returning functions.
//!
//! PostgreSQL fixes the columns of a call before it runs, so the row type is an argument, and the
//! columns of the source are matched to those of the type by name.

use crate::call::{Call, open_tpch_table};
use crate::error::{Error, Result, SqlResult};
use crate::pg::server::arguments::of_call;
use crate::pg::server::cluster;
use crate::pg::server::process;
use crate::pg::server::text::{Json, Text};
use crate::pg::values::reader::Unmatched;
use crate::pg::values::row_type::RowType;
use crate::pg::values::store::Answer;
use crate::runs::origin;
use millrace_sources::registry::{self, Benchmark, Definition};
use millrace_sources::{Source, tpch};
use pgrx::prelude::*;
use std::ops::Range;

/// Every generating function: `tpch_gen(…)`, `tpch_orders(…)`, `cdr_gen(…)` and so on. [`Call`] says what their arguments
/// mean.
#[pg_extern(sql = false)]
fn generate(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Answer> {
    let row_type = RowType::of_call(fcinfo)?;
    let call = Call::read(&of_call(fcinfo, row_type.name())?)?;
    let (source, units) = call.open()?;
    let units = cluster::share_of_segment(units, call.segments)?;
    Ok(Answer::new(fcinfo, row_type, &call.source.unique_name(), source, units, Unmatched::Refused)?)
}

/// The symbols by which version 0.1.0 knows [`generate`], without which it could not be installed any more.
macro_rules! symbols_of_0_1_0 {
    ($($name:ident)*) => {$(
        #[pg_extern(sql = false)]
        fn $name(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Answer> {
            generate(fcinfo)
        }
    )*};
}

symbols_of_0_1_0! { tpch_gen_by_name tpch_gen_by_type tpch_table stream_gen dimension_table }

/// `millrace.source_rows(source, options, first_unit, end_unit, row_type, segments)`: a range of any source,
/// with null in the columns it does not have.
#[pg_extern(sql = false)]
fn source_rows(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Answer> {
    let row_type = RowType::of_call(fcinfo)?;
    let arguments = of_call(fcinfo, row_type.name())?;
    let name = arguments.text("source").ok_or(Error::Null("source"))?;
    if name == origin::QUERY {
        let hint = "Its rows are those that the query gives by itself.";
        return Err(Error::NotSupported { what: "making rows of a query", hint }.into());
    }
    let options = arguments.json("options").ok_or(Error::Null("options"))?;
    let source = registry::open(name, options.clone()).map_err(Error::from)?;
    let unit = |argument| {
        let unit = arguments.integer(argument).ok_or(Error::Null(argument))?;
        Ok::<_, Error>(u64::try_from(unit).unwrap_or_default().min(source.units()))
    };
    let units = cluster::share_of_segment(unit("first_unit")?..unit("end_unit")?, arguments.segments())?;
    Ok(Answer::new(fcinfo, row_type, name, source, units, Unmatched::Null)?)
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
        let source = open_tpch_table(name, sf)?;
        let units = 0..source.units();
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
            definition.unique_name().into(),
            definition.about.into(),
            column_names(&(definition.schema)()),
            options.collect(),
        )
    });
    let options = origin::QUERY_OPTIONS.map(Text::from).to_vec();
    let query = (origin::QUERY.into(), origin::QUERY_ABOUT.into(), Vec::new(), options);
    TableIterator::new(sources.chain(std::iter::once(query)))
}

/// The sources that a benchmark can load.
fn benchmarks() -> impl Iterator<Item = (&'static Definition, &'static str, &'static Benchmark)> {
    registry::all().filter_map(|definition| Some((definition, definition.row_type?, definition.benchmark?)))
}

/// `millrace.bench_sources(rows)`: the sources that a benchmark can load, and the options of those with so many rows.
#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)]
fn bench_sources(
    rows: Option<i64>,
) -> TableIterator<
    'static,
    (
        name!(source, Text),
        name!(row_type, Text),
        name!(index_set, Vec<Text>),
        name!(arguments, Text),
        name!(options, Json),
    ),
> {
    let rows = u64::try_from(rows.unwrap_or_default()).unwrap_or_default();
    TableIterator::new(benchmarks().map(move |(definition, row_type, benchmark)| {
        let options = Json((benchmark.defaults)(rows));
        let indexes = benchmark.indexes.iter().map(|&index| index.into()).collect();
        (definition.unique_name().into(), row_type.into(), indexes, benchmark.arguments.into(), options)
    }))
}

/// `millrace.bench_queries(source)`: the queries that a benchmark of a source times, in order.
#[pg_extern(sql = false)]
fn bench_queries(
    source: Option<Text>,
) -> TableIterator<'static, (name!(number, i32), name!(query, Text), name!(statement, Text))> {
    let found = source.and_then(|source| registry::find(&source).ok()).and_then(|found| found.benchmark);
    let queries = found.map(|benchmark| benchmark.queries).unwrap_or_default();
    TableIterator::new(
        (1..).zip(queries).map(|(number, &(query, statement))| (number, query.into(), statement.into())),
    )
}

fn column_names(schema: &arrow::datatypes::Schema) -> Vec<Text> {
    schema.fields().iter().map(|field| field.name().as_str().into()).collect()
}
