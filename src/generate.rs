//! Rows of the sources as set-returning functions.
//!
//! PostgreSQL fixes the columns of a call before it runs, so the row type is an argument, and the
//! columns of the source are matched to those of the type by name.

use crate::call::Call;
use crate::error::{Error, SqlResult};
use crate::pg::planner::function_scan::Function;
use crate::pg::server::arguments::of_call;
use crate::pg::server::cluster;
use crate::pg::server::text::Text;
use crate::pg::values::answer::Answer;
use crate::pg::values::reader::Unmatched;
use crate::pg::values::row_type::RowType;
use crate::runs::origin;
use millrace_sources::registry;
use pgrx::prelude::*;

/// Every generating function: `tpch_gen(…)`, `tpch_orders(…)`, `cdr_gen(…)` and so on. [`Call`] says what their arguments
/// mean.
#[pg_extern(sql = false)]
pub fn generate(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Answer> {
    let row_type = RowType::of_call(fcinfo)?;
    let call = Call::read(&of_call(fcinfo, row_type.name())?)?;
    let (source, units) = call.open()?;
    let units = cluster::share_of_segment(units, call.segments)?;
    Ok(Answer::new(fcinfo, row_type, &call.source.unique_name(), source, units, Unmatched::Refused)?)
}

/// `millrace.source_rows(source, options, first_unit, end_unit, row_type, segments)`: a range of any source,
/// with null in the columns it does not have.
#[pg_extern(sql = false)]
fn source_rows(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Answer> {
    let row_type = RowType::of_call(fcinfo)?;
    let arguments = of_call(fcinfo, row_type.name())?;
    let name = arguments.text("source").ok_or(Error::Null("source"))?;
    if name == origin::QUERY {
        let hint = "Run the query itself for its rows.";
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

/// The functions that a function scan streams.
pub const STREAMING: &[Function] = &[generate_wrapper, source_rows_wrapper];

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

fn column_names(schema: &arrow::datatypes::Schema) -> Vec<Text> {
    schema.fields().iter().map(|field| field.name().as_str().into()).collect()
}
